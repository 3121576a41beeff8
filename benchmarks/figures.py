"""What was measured, as flat records, and how a record is found again."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of one quantity, such as `step_ms`, of one engine at one size with one number of threads."""

    quantity: str
    engine: str
    size: int
    threads: int
    value: float
    runs: int

    @classmethod
    def median(cls, quantity: str, engine: str, values: Sequence[float], *, size: int = 0, threads: int = 1) -> "Figure":
        """The median of at least one value. Raises statistics.StatisticsError without any."""
        return cls(quantity, engine, size, threads, round(statistics.median(values), 3), len(values))


@dataclass(slots=True)
class Figures:
    """All records of a run, and why each engine that is missing is not here."""

    records: list[Figure] = field(default_factory=list)
    not_here: dict[str, str] = field(default_factory=dict)

    def add(self, figure: Figure) -> None:
        """Keep a record; an earlier one of the same quantity, engine, size and threads is replaced."""
        self.records = [known for known in self.records if _key(known) != _key(figure)]
        self.records.append(figure)

    def value(self, quantity: str, engine: str, *, size: int = 0, threads: int = 1) -> float | None:
        """The value that was measured, or None."""
        wanted = (quantity, engine, size, threads)
        return next((figure.value for figure in self.records if _key(figure) == wanted), None)

    def engines(self, quantity: str) -> Iterator[str]:
        """Engines of which the quantity was measured, in the order of their first record."""
        yield from dict.fromkeys(figure.engine for figure in self.records if figure.quantity == quantity)

    def best(self, quantity: str, engines: Sequence[str], *, size: int = 0, threads: int = 1) -> float | None:
        """The least value among the engines, or None when none of them was measured."""
        values = [self.value(quantity, engine, size=size, threads=threads) for engine in engines]
        return min((value for value in values if value is not None), default=None)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {"records": [asdict(figure) for figure in self.records], "not_here": self.not_here}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Figures":
        """The figures that `as_json` gave."""
        return cls([Figure(**record) for record in content["records"]], dict(content["not_here"]))


def ratio(over: float | None, under: float | None) -> float | None:
    """The quotient `over` / `under`, or None when either is missing or `under` is nothing."""
    return None if over is None or not under else over / under


def _key(figure: Figure) -> tuple[str, str, int, int]:
    return (figure.quantity, figure.engine, figure.size, figure.threads)
