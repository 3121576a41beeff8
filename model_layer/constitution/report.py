"""What came of a training run, in figures."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from model_layer.constitution.checkpoint import Position
from model_layer.constitution.plan import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """Figures of a finished run; losses and margins in nats.

    `seconds` is spent on work that was kept, interruptions left out; `peak_memory_mb` counts 10**6 bytes and is the most that
    any of its processes held. The losses are means over the last epoch of a phase, nothing held out. A held-out margin is log
    p(chosen) - log p(rejected), averaged over pairs; accuracy is the share of pairs in which it is above 0. They are None
    without held-out pairs.
    """

    steps: int
    seconds: float
    peak_memory_mb: float
    sft_loss: float
    dpo_loss: float
    held_out_pairs: int
    margin_before: float | None
    margin_after: float | None
    accuracy_before: float | None
    accuracy_after: float | None

    @classmethod
    def of(cls, position: Position, *, epochs: int) -> Self:
        """The figures of a run that is at its end."""
        before, after = (margins(position.scores.get(when, [])) for when in ("before", "after"))
        return cls(
            steps=position.step,
            seconds=sum(map(sum, position.times.values())),
            peak_memory_mb=position.peak_memory_mb,
            sft_loss=_last_epoch(position, "sft", epochs),
            dpo_loss=_last_epoch(position, "dpo", epochs),
            held_out_pairs=len(after),
            margin_before=statistics.fmean(before) if before else None,
            margin_after=statistics.fmean(after) if after else None,
            accuracy_before=_accuracy(before),
            accuracy_after=_accuracy(after),
        )


def margins(scores: Sequence[Sequence[float]]) -> list[float]:
    """Log p(chosen) - log p(rejected) of each pair of log-probabilities."""
    return [chosen - rejected for chosen, rejected in scores]


def _accuracy(of: Sequence[float]) -> float | None:
    return statistics.fmean(margin > 0 for margin in of) if of else None


def _last_epoch(position: Position, phase: Phase, epochs: int) -> float:
    losses = [loss for of_phase, _, loss, _ in position.curve if of_phase == phase]
    return statistics.fmean(losses[-max(1, len(losses) // epochs) :])
