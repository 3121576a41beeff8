"""Laws of the simulated crowds."""

import random
from dataclasses import replace

import pytest

from benchmarks.capacity import Arrival, Crowd, Plan, arrivals, crowds, plans, simulate

CLASS = Crowd("class", 30, 10)
SPIN_MS = 40.0
COLD = Plan("no warm-up", 0, 3000)


def times(crowd: Crowd = CLASS, seed: int = 1) -> list[Arrival]:
    """When spins come, and whose they are."""
    return arrivals(crowd, random.Random(seed))


def test_the_same_seed_is_the_same_crowd() -> None:
    """And another seed another one."""
    assert times(seed=1) == times(seed=1) != times(seed=2)
    assert simulate(times(), COLD, spin_ms=SPIN_MS) == simulate(times(), COLD, spin_ms=SPIN_MS)


@pytest.mark.parametrize("quota", [1, 5, 1000])
def test_every_request_is_answered_or_throttled(quota: int) -> None:
    """Never by more environments than the quota allows."""
    found = simulate(times(), COLD, spin_ms=SPIN_MS, quota=quota)
    assert len(found.latencies_ms) + found.throttled == found.requests == len(times())
    assert found.environments <= quota
    assert (found.throttled == 0) == (quota == 1000)


def test_a_latency_is_a_spin_with_or_without_a_start() -> None:
    """As many with a start as there were cold starts."""
    found = simulate(times(), COLD, spin_ms=SPIN_MS)
    assert set(found.latencies_ms) == {SPIN_MS, SPIN_MS + COLD.start_ms}
    assert list(found.latencies_ms).count(SPIN_MS + COLD.start_ms) == found.cold == found.environments >= found.waiting > 0


def test_enough_warm_environments_leave_nobody_waiting() -> None:
    """However they are kept so; a shorter start alone leaves as many waiting, for less long."""
    warm = simulate(times(), replace(COLD, warm=30), spin_ms=SPIN_MS)
    assert (warm.cold, warm.percentile_ms(99)) == (0, SPIN_MS)
    restored = simulate(times(), replace(COLD, start_ms=500, restored=True), spin_ms=SPIN_MS)
    assert max(restored.latencies_ms) == SPIN_MS + 500


def test_idle_environments_end_but_for_the_warm_ones() -> None:
    """Two requests, a day apart."""
    assert simulate([(0, 1), (86_400, 1)], COLD, spin_ms=SPIN_MS).cold == 2
    assert simulate([(0, 1), (86_400, 1)], replace(COLD, warm=1), spin_ms=SPIN_MS).cold == 0


def test_dollars_grow_with_students() -> None:
    """Under every plan."""
    for small, large in zip(plans(CLASS, 1000), plans(Crowd("two", 60, 10), 1000), strict=True):
        few = simulate(times(), small, spin_ms=SPIN_MS).dollars
        assert 0 < few < simulate(times(Crowd("two", 60, 10)), large, spin_ms=SPIN_MS).dollars


def test_the_three_crowds_are_those_of_the_table() -> None:
    """A class, a school, and a busy hour of 100,000 users a day."""
    assert [crowd.students for crowd in crowds()] == [30, 1_000, 10_000]
