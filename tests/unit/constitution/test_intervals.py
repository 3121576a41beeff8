"""Laws of the intervals that figures come with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.intervals import SHARE, mean_difference, mean_estimate

values = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


@given(values)
def test_an_interval_holds_its_mean(each: list[float]) -> None:
    """And lies within the values."""
    found = mean_estimate(each)
    assert found.value == pytest.approx(np.mean(each), abs=1e-12)
    assert min(each) - 1e-12 <= found.low <= found.high <= max(each) + 1e-12
    assert found.count == len(each)


@given(values)
def test_nothing_changed_is_no_difference(each: list[float]) -> None:
    """Paired with itself, every unit differs by zero."""
    found = mean_difference(each, each)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_intervals_cover_what_they_say() -> None:
    """Of 300 samples of a known mean, about 95 % of the intervals hold it."""
    rng = np.random.default_rng(5)
    found = [mean_estimate(rng.normal(2.0, 1.0, 60)) for _ in range(300)]
    assert np.mean([one.low <= 2.0 <= one.high for one in found]) == pytest.approx(0.94, abs=0.04)


def test_more_units_make_a_narrower_interval() -> None:
    """By about the root of their number."""
    rng = np.random.default_rng(6)
    few, many = (mean_estimate(rng.normal(0, 1, count)) for count in (50, 5000))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.3)


def test_there_is_no_mean_of_nothing() -> None:
    """It is said, not made up."""
    with pytest.raises(ValueError, match="nothing"):
        mean_estimate([])


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.15), (1.0, 0.85, 1.0)])
def test_a_share_that_never_varied_is_not_certain(value: float, low: float, high: float) -> None:
    """None of 20 leaves room for 3 in 20, and so does all of 20."""
    found = mean_estimate([value] * 20, bounds=SHARE)
    assert found.value == value
    assert [found.low, found.high] == pytest.approx([low, high])
