"""What the lab's benchmark works out of what it measured."""

import json
from typing import Any

import pytest

from benchmarks import bench_lab
from benchmarks.bench_lab import INVOCATION_S, START_S, invocations, row, table, train_pairs, train_seconds
from model_layer.constitution.making import MEASURING_S
from model_layer.constitution.plan import QUICK_DEMO, STANDARD

TIMES = {"sft_s": 2.0, "dpo_s": 3.0, "score_s": 1.0, "save_s": 4.0, "bake_s": 10.0}
MEASURED: dict[str, Any] = {"prepare": {"seconds": 60.0}, "train": {"seconds": 250.0} | TIMES, "measure": {"seconds": 90.0}}
USABLE_S = INVOCATION_S - START_S


def test_a_plan_trains_on_three_pairs_of_four_prompts_in_five() -> None:
    """The pairs of every fifth prompt are held out."""
    assert (train_pairs(QUICK_DEMO), train_pairs(STANDARD)) == (48, 120)


def test_training_is_the_sum_of_its_pieces() -> None:
    """Quick Demo: 24 steps a phase, 12 batches of references and 3 twice of what is held out, 10 saves, one bake."""
    assert train_seconds(QUICK_DEMO, TIMES) == 24 * (2 + 3) + (12 + 2 * 3) * 1 + 10 * 4 + 10


@pytest.mark.parametrize(
    ("worked_s", "expected"),
    [(1.0, 1), (USABLE_S - MEASURING_S, 1), (USABLE_S - MEASURING_S + 1, 2), (USABLE_S, 2), (USABLE_S + 1, 2), (3 * USABLE_S, 4)],
)
def test_measuring_waits_for_an_invocation_with_time(worked_s: float, expected: int) -> None:
    """As many as the work needs, and one more when the last has too little left."""
    assert invocations(worked_s) == expected


def test_quick_demo_is_as_it_was_measured() -> None:
    """The parts add up."""
    found = row(QUICK_DEMO, MEASURED)
    assert (found["prepare_s"], found["train_s"], found["measure_s"], found["seconds"]) == (60, 250, 90, 400)
    assert found["how"] == "measured"


def test_standard_keeps_what_is_no_step() -> None:
    """Imports and loading take as long as in Quick Demo; preparing grows with the prompts, measuring does not."""
    found = row(STANDARD, MEASURED)
    beside = 250 - train_seconds(QUICK_DEMO, TIMES)
    assert found["train_s"] == round(train_seconds(STANDARD, TIMES) + beside)
    assert (found["prepare_s"], found["measure_s"], found["steps"]) == (150, 90, 300)


def test_the_table_has_a_line_a_plan() -> None:
    """A head, a rule and the rows, all of one width."""
    lines = table([row(QUICK_DEMO, MEASURED), row(STANDARD, MEASURED)]).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_the_kept_figures_are_those_of_this_code() -> None:
    """The rows of the file follow from what the file says was measured."""
    kept = json.loads(bench_lab.RESULT.read_text(encoding="utf-8"))
    assert kept["plans"] == [row(plan, kept["measured"]) for plan in (QUICK_DEMO, STANDARD)]
