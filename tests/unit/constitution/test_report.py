"""What a run is said to have come to, from what it wrote down."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.checkpoint import Position
from model_layer.constitution.report import TrainingReport

NATS = st.floats(-400, 0)
SCORES = st.lists(st.tuples(NATS, NATS).map(list), min_size=1, max_size=6)


def at_the_end(**scores: list[list[float]]) -> Position:
    """A run of four SFT and four DPO steps over two epochs."""
    curve = [("sft", step, 10.0 - step, None) for step in range(1, 5)] + [("dpo", step, 10.0 - step, 0.5) for step in range(5, 9)]
    return Position(8, scores, curve, {"sft": [1.0, 2.0], "save": [4.0]}, 900.0)  # type: ignore[arg-type] # the phases are strings


def test_losses_are_those_of_the_last_epoch() -> None:
    """The mean of the last two of each phase's four steps."""
    report = TrainingReport.of(at_the_end(), epochs=2)
    assert (report.sft_loss, report.dpo_loss) == (6.5, 2.5)


def test_it_adds_up_the_seconds() -> None:
    """All kinds of work, and the memory and steps as they were noted."""
    report = TrainingReport.of(at_the_end(), epochs=2)
    assert (report.seconds, report.peak_memory_mb, report.steps) == (7.0, 900.0, 8)


@given(before=SCORES, after=SCORES)
def test_margins_and_accuracy_are_of_the_same_pairs(before: list[list[float]], after: list[list[float]]) -> None:
    """The margin is a mean of differences; the accuracy counts those above 0, of which a tie is none."""
    report = TrainingReport.of(at_the_end(before=before, after=after), epochs=2)
    assert report.held_out_pairs == len(after)
    assert report.margin_before == pytest.approx(math.fsum(chosen - rejected for chosen, rejected in before) / len(before))
    assert report.accuracy_after == pytest.approx(len([1 for chosen, rejected in after if chosen > rejected]) / len(after))


def test_fewer_steps_than_epochs_still_have_a_loss() -> None:
    """A batch that holds several epochs at once: the last step stands for the last epoch."""
    position = Position(2, {}, [("sft", 1, 3.0, None), ("dpo", 2, 0.7, 0.0)])
    report = TrainingReport.of(position, epochs=5)
    assert (report.sft_loss, report.dpo_loss) == (3.0, 0.7)
