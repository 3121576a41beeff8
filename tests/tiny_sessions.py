"""What a session of a tiny model needs: a catalogue of it and a clock."""

from datetime import UTC, datetime
from pathlib import Path

from model_layer.errors import ModelNotFoundError
from model_layer.language_model import LanguageModel
from tests.tiny_models import make_tiny_model

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class OneModel:
    """A catalogue of one model."""

    default = "tiny"

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def get(self, name: str) -> LanguageModel:
        """The model, by its name only."""
        if name != self.default:
            raise ModelNotFoundError(name)
        return self._model


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """The time it was set to."""
        return self.now


def open_tiny(folder: Path) -> LanguageModel:
    """A tiny random model with a window of 64 tokens, loaded from nothing but the folder made for it."""
    return LanguageModel.open(make_tiny_model(folder), name="tiny")
