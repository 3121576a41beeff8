"""A tiny fine-tuning run for the tests: its plan, its pairs, what may interrupt it, and what is compared of its results."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from model_layer.constitution.pairs import Pair
from model_layer.constitution.plan import QUICK_DEMO, Plan, Progress
from model_layer.constitution.report import TrainingReport
from model_layer.constitution.training import Training

PLAN = replace(QUICK_DEMO, batch=3, sft_learning_rate=1e-3, dpo_learning_rate=1e-3, max_tokens=32, checkpoint_every_steps=3)
SUBJECTS = ("fox", "raven", "king", "daughter", "ship", "wind", "forest")
CHOSEN, REJECTED = " tell me.", " the sea sang."
PAIRS = [Pair(f"The {subject} said:", CHOSEN, REJECTED, "fairness", 0, 1, "rewriting") for subject in SUBJECTS]
TRAINED, HELD_OUT = PAIRS[:5], PAIRS[5:]
PROMPT = "The fox said:"
NAMES = {"name": "kinder", "description": "a test"}


class KilledError(Exception):
    """Raise in place of a kill."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that nothing interrupted: its baked folder, its report, and the progress that it told."""

    folder: Path
    report: TrainingReport
    told: list[Progress]


def training(base: Path, work: Path, **changes: Any) -> Training:
    """A run with all the time in the world."""
    plan: Plan = changes.pop("plan", PLAN)
    pairs: Sequence[Pair] = changes.pop("pairs", TRAINED)
    defaults: dict[str, Any] = {"on_progress": lambda _: None, "seconds_left": lambda: float("inf"), "held_out": HELD_OUT}
    return Training(base, pairs, plan, work, **(defaults | changes))


def whole_run(base: Path, place: Path) -> Whole:
    """Run it from start to end."""
    told: list[Progress] = []
    report = training(base, place / "work", on_progress=told.append).run(place / "kinder", **NAMES)
    assert report is not None, "time is endless"
    return Whole(place / "kinder", report, told)


def stops_after(pieces: int) -> Callable[[], float]:
    """A clock that has time for so many pieces of work and then none."""
    left: Iterator[float] = chain(repeat(float("inf"), pieces), repeat(0.0))
    return lambda: next(left)


def weights(folder: Path) -> bytes:
    """The file of the weights."""
    return (folder / "model.safetensors").read_bytes()


def curve(folder: Path) -> Any:
    """The loss curve, the plan and the held-out scores of a result: all that no clock has a part in."""
    details = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return {key: details[key] for key in ("base", "plan", "curve", "held_out")}
