"""Measurements are found again as what they were."""

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Figure, Figures, ratio

TIMES = st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=9)


@given(TIMES)
def test_a_figure_is_the_median_of_its_runs(values: list[float]) -> None:
    """Half of the runs are no faster and half no slower, whatever outlier there is; the count is kept."""
    figure = Figure.median("step_ms", "engine", values, size=16)
    assert figure.value == round(statistics.median(values), 3)
    assert figure.runs == len(values)


def test_a_figure_of_no_runs_is_refused() -> None:
    """What was not measured has no median."""
    with pytest.raises(statistics.StatisticsError):
        Figure.median("step_ms", "engine", [])


def test_a_later_figure_takes_the_place_of_the_same_earlier_one_and_of_no_other() -> None:
    """Quantity, engine, size and threads name a figure."""
    figures = Figures()
    for threads, value in ((1, 5.0), (2, 3.0), (1, 4.0)):
        figures.add(Figure("step_ms", "a", 16, threads, value, 1))
    assert figures.value("step_ms", "a", size=16) == 4.0
    assert figures.value("step_ms", "a", size=16, threads=2) == 3.0
    assert len(figures.records) == 2


def test_what_was_not_measured_has_no_value() -> None:
    """Another size, another engine: None, and no ratio."""
    figures = Figures([Figure("step_ms", "a", 16, 1, 5.0, 1)])
    assert figures.value("step_ms", "a", size=128) is None
    assert figures.best("step_ms", ["b"], size=16) is None
    assert ratio(5.0, figures.value("step_ms", "b", size=16)) is None


def test_the_best_is_the_least_of_the_engines_that_were_measured() -> None:
    """Engines that are not here do not count, nor do others than the ones asked for."""
    figures = Figures([Figure("step_ms", name, 16, 1, value, 1) for name, value in (("a", 5.0), ("b", 3.0), ("c", 1.0))])
    assert figures.best("step_ms", ["a", "b", "missing"], size=16) == 3.0


def test_figures_survive_the_file() -> None:
    """What is written as JSON is read as the same."""
    figures = Figures([Figure("kl", "a", 0, 1, 1e-5, 32)], {"b": "not installed"})
    assert Figures.from_json(json.loads(json.dumps(figures.as_json()))) == figures
