"""Models that come and go while a process runs, for a catalogue to have beside its own."""

from pathlib import Path
from typing import Protocol

from model_layer.manifest import Manifest


class ModelProvider(Protocol):
    """Models that come and go while a process runs. Whatever it raises, the catalogue raises."""

    def names(self) -> list[str]:
        """Their names, now."""

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of one; None when there is no such model, or none any more."""

    def folder(self, name: str) -> Path | None:
        """Where the files of one lie; None as above."""


class NoModels:
    """Provides none."""

    def names(self) -> list[str]:
        """None."""
        return []

    def manifest(self, name: str) -> None:
        """None."""

    def folder(self, name: str) -> None:
        """None."""
