"""How long each kind of work takes, and with it whether there is time for the next piece and when all will be done."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

Kind = Literal["score", "sft", "dpo", "save", "bake"]

MARGIN = 1.5  # the next piece may take so many times the slowest so far: the machine may be shared
# A kind that was never measured takes so many times another one: twice the sequences, and the first is always the slowest.
LIKE: Mapping[Kind, tuple[Kind, float]] = {"sft": ("score", 2.0), "dpo": ("sft", 2.0)}
BYTES_S: Mapping[Kind, float] = {"save": 50e6, "bake": 20e6}  # of a checkpoint, assumed until measured


class Pace:
    """Times pieces of work. `times`, in seconds by kind, goes on with the run, so that a resumed one knows them."""

    def __init__(self, times: dict[str, list[float]], *, checkpoint_bytes: int) -> None:
        self._times = times
        self._checkpoint_bytes = checkpoint_bytes

    @contextmanager
    def timed(self, kind: Kind) -> Iterator[None]:
        """Time the block as a piece of that kind."""
        started = time.perf_counter()
        yield
        self._times.setdefault(kind, []).append(time.perf_counter() - started)

    def allows(self, kind: Kind, seconds_left: float) -> bool:
        """Whether a piece of that kind and a save after it fit."""
        return seconds_left >= MARGIN * (self._expected_s(kind, max) + self._expected_s("save", max))

    def eta_s(self, pieces: Mapping[Kind, int]) -> float:
        """Seconds that so many pieces of each kind will take."""
        return sum(count * self._expected_s(kind, statistics.fmean) for kind, count in pieces.items())

    def _expected_s(self, kind: Kind, of: Callable[[list[float]], float]) -> float:
        if times := self._times.get(kind):
            return of(times)
        if kind in BYTES_S:
            return self._checkpoint_bytes / BYTES_S[kind]
        like, factor = LIKE.get(kind, (None, 0.0))
        return factor * self._expected_s(like, of) if like else 0.0
