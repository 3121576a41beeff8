"""Preference pairs, each with where it comes from, kept as JSON lines."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts after one prompt. Scores are sums of weights that count against a text: the chosen one's is the lower."""

    prompt: str
    chosen: str
    rejected: str
    principle: str
    chosen_score: float
    rejected_score: float
    reviser: str

    @property
    def margin(self) -> float:
        """By how much the chosen text scores lower."""
        return self.rejected_score - self.chosen_score


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8")


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file that `write_pairs` wrote. Raises ValueError, which names the line and none of its text."""
    lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: JSON keeps U+2028 inside a text
    return [_pair(line, number) for number, line in enumerate(lines, 1) if line.strip()]


_TEXTS = ("prompt", "chosen", "rejected", "principle", "reviser")
_NUMBERS = ("chosen_score", "rejected_score")


def _pair(line: str, number: int) -> Pair:
    try:
        fields = json.loads(line)
        pair = Pair(**fields)
    except (ValueError, TypeError):
        raise ValueError(f"line {number} is not a preference pair") from None
    texts = all(isinstance(fields[key], str) for key in _TEXTS)
    if not (texts and all(type(fields[key]) in (int, float) for key in _NUMBERS)):
        raise ValueError(f"line {number} is not a preference pair: a field is of the wrong type")
    return pair
