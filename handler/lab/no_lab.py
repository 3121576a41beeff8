"""The store of a deployment without a lab: there are no runs, and none can be started."""

# ruff: noqa: ARG002 - the arguments are those of the protocol

from typing import Never

from handler.lab.errors import LabOffError, LeaseLostError, RunNotFoundError
from handler.lab.run import Advance, LabRun


class NoLabStore:
    """A `LabStore` that keeps nothing."""

    def create(self, run: LabRun) -> Never:
        """Raise LabOffError."""
        raise LabOffError

    def load(self, run_id: str) -> Never:
        """Raise RunNotFoundError."""
        raise RunNotFoundError

    def all(self) -> list[LabRun]:
        """No runs."""
        return []

    def lease(self, run_id: str, *, until_epoch_s: float) -> Never:
        """Raise RunNotFoundError."""
        raise RunNotFoundError

    def advance(self, run_id: str, fence: int, told: Advance, *, until_epoch_s: float) -> Never:
        """Raise LeaseLostError."""
        raise LeaseLostError

    def release(self, run_id: str, fence: int) -> Never:
        """Raise LeaseLostError."""
        raise LeaseLostError

    def succeed(self, run_id: str, fence: int, result: str) -> Never:
        """Raise LeaseLostError."""
        raise LeaseLostError

    def fail(self, run_id: str, fence: int, problem: str) -> Never:
        """Raise LeaseLostError."""
        raise LeaseLostError

    def remove(self, run_id: str) -> Never:
        """Raise RunNotFoundError."""
        raise RunNotFoundError

    def check(self) -> None:
        """Nothing can be wrong with it."""
