"""The labelled sentences that the judges are fitted and measured with; written for this project.

`data/labelled/NAME.jsonl` holds those of one principle. The held-out split is for measuring alone: no probe was fitted on it, and
expressions were written by looking at the fit split. Both splits have the same authors, as the expressions have: on sentences
of others the rules find less (README, "The constitution lab").
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from model_layer.constitution.principles import NAMES

FOLDER = Path(__file__).parent / "data" / "labelled"

Split = Literal["fit", "held_out"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and whether it violates the principle; `group` is the kind of violation or of innocence."""

    text: str
    principle: str
    violates: bool
    group: str
    split: Split


@cache
def load_labelled() -> tuple[Sentence, ...]:
    """All sentences, by principle."""
    return tuple(sentence for name in NAMES for sentence in _read(name))


def _read(principle: str) -> list[Sentence]:
    lines = (FOLDER / f"{principle}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Sentence(principle=principle, **json.loads(line)) for line in lines]
