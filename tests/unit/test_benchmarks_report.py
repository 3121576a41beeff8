"""The tables show every figure and hide no engine that is missing."""

import re
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.figures import Figure, Figures
from benchmarks.numbers import number
from benchmarks.targets import TARGETS

MACHINE = {"processor": "a processor", "cores": 2}


def some_figures() -> Figures:
    """Two engines at two sizes, one of which was not measured."""
    records = [
        Figure("step_ms", "a", 16, 1, 12.345, 3),
        Figure("step_ms", "a", 1000, 1, 20, 3),
        Figure("step_ms", "b", 16, 1, 7, 3),
    ]
    return Figures(records, {"c": "it does not install"})


def test_a_table_has_a_row_for_each_engine_and_a_column_for_each_size() -> None:
    """What was not measured is an empty cell, sizes ascend."""
    heading, _, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in report.table_by_size(some_figures(), "step_ms", 1)
    ]
    assert heading == ["engine", "16", "1000"]
    assert rows == [["a", "12.3", "20"], ["b", "7", ""]]


def test_the_column_of_no_size_says_what_it_is() -> None:
    """A job whose requests run one by one stands before those that run together."""
    rates = Figures([Figure("job_requests_s", "a", size, 2, value, 3) for size, value in ((32, 9), (0, 2), (8, 5))])
    heading, _, row = report.table_by_size(rates, "job_requests_s", 2)
    assert [cell.strip() for cell in heading.split("|")[2:-1]] == ["one by one", "8", "32"]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["2", "5", "9"]


def test_a_quantity_that_was_not_measured_has_no_table() -> None:
    """Neither on other threads nor under another name."""
    assert report.table_by_size(some_figures(), "step_ms", 2) == []
    assert report.table_by_quantity(some_figures(), {"kl": "KL"}) == []


def test_the_report_names_machine_targets_and_what_is_not_here() -> None:
    """All of a run in one text."""
    text = report.markdown("gpt2", some_figures(), MACHINE)
    assert "a processor" in text
    assert all(target.name in text for target in TARGETS)
    assert "- c: it does not install" in text
    assert len(re.findall("not measured", text)) == len(TARGETS)


def test_every_line_of_a_table_is_as_wide_as_the_others() -> None:
    """It can be read without rendering."""
    assert len({len(line) for line in report.target_table(some_figures())}) == 1


@pytest.mark.parametrize(("value", "text"), [(450, "450"), (1234.5, "1234"), (12.345, "12.3"), (0.00123, "0.00123"), (2.0, "2")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    """More would claim what no run can tell."""
    assert number(value) == text


def test_what_is_written_is_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON file gives the figures back, and the Markdown file lies beside it."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    path = report.write("gpt2", some_figures(), MACHINE)
    content = report.read(path)
    assert content == some_figures()
    assert path.with_suffix(".md").read_text(encoding="utf-8") == report.markdown("gpt2", some_figures(), MACHINE)
