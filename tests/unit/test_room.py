"""Laws of a wheel that is spun many times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped] # scipy ships no types

from handler.wheel.room import spin_room, wilson_interval
from handler.wheel.session import WheelSettings
from handler.wheel.wheel import Wheel, make_wheel
from model_layer.sampling import seeded_uniform

logits = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=200)
settings_values = st.builds(
    WheelSettings,
    threshold=st.sampled_from([0.0, 0.01, 0.2, 1.0]),
    top_k=st.sampled_from([0, 1, 5]),
    top_p=st.sampled_from([1, 0.5]),
)
wheels = st.builds(lambda values, settings: make_wheel(values, settings, lambda _: b"x"), logits, settings_values)
numbers = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50)


@given(wheels, numbers)
def test_every_spin_of_a_room_stops_where_a_spin_stops(wheel: Wheel, uniforms: list[float]) -> None:
    """The counts are those of single draws with the same numbers, and no spin is lost."""
    counted = [one.count for one in spin_room(wheel, uniforms)]
    singly = [wheel.at(u).slice_index for u in uniforms]
    assert counted == [singly.count(index) for index in range(len(wheel.slices))]
    assert sum(counted) == len(uniforms)


@given(st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_is_wilsons(counted: tuple[int, int]) -> None:
    """It is scipy's, holds the frequency, and leaves neither 0 nor 1."""
    count, trials = counted
    low, high = wilson_interval(count, trials)
    known = binomtest(count, trials).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((known.low, known.high), abs=1e-12)
    assert 0 <= low <= count / trials <= high <= 1


def test_the_interval_holds_the_probability_as_often_as_it_says() -> None:
    """Of 400 rooms, 95 % of the bars cover the probability that they estimate."""
    wheel = make_wheel(np.log([0.5, 0.3, 0.15, 0.05]), WheelSettings(threshold=0), lambda _: b"x")
    rooms = [spin_room(wheel, [seeded_uniform(f"room {room}", spin) for spin in range(200)]) for room in range(400)]
    covered = [one.low <= one.piece.probability <= one.high for room in rooms for one in room]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)
