"""What every store of training runs promises, on SQLite and on DynamoDB alike."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.lab.errors import LeaseLostError, RunNotFoundError
from handler.lab.run import Advance, LabRun, LabStore, Point, RunExistsError
from tests.contract import lab_values as values
from tests.contract.lab_values import LEASE_S, NOON_S, leased, new_run, point, queued
from tests.contract.session_values import NOON, SetClock

one_store_for_all_examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
UNTIL = NOON_S + LEASE_S


@pytest.fixture(params=values.LAB_STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[LabStore]:
    """An empty store of each kind."""
    with request.param(tmp_path, clock) as opened:
        yield opened


def writes(store: LabStore, run: LabRun) -> list[Callable[[], None]]:
    """Everything that a worker writes, under the fence of this run."""
    return [
        lambda: store.advance(run.id, run.fence, Advance(step=9, files="late"), until_epoch_s=UNTIL + 99),
        lambda: store.advance(run.id, run.fence, Advance(points=[point(99)]), until_epoch_s=UNTIL + 99),
        lambda: store.release(run.id, run.fence),
        lambda: store.succeed(run.id, run.fence, "late"),
        lambda: store.fail(run.id, run.fence, "late"),
    ]


def assert_takes_nothing(store: LabStore, run: LabRun) -> None:
    """Under this fence nothing is written."""
    for write in writes(store, run):
        with pytest.raises(LeaseLostError):
            write()


@one_store_for_all_examples
@given(run=values.runs)
def test_created_is_loaded_equal(store: LabStore, run: LabRun) -> None:
    """A created run is loaded equal, to the last bit of its floats and the offset of its time."""
    store.create(run)
    assert repr(store.load(run.id)) == repr(run)
    assert repr(store.all()) == repr([replace(run, curve=())])
    assert repr(store.remove(run.id)) == repr(run)
    assert store.all() == []


def test_taken_id_is_refused(store: LabStore) -> None:
    """A create never touches a run that is there."""
    run = queued(store, curve=(point(1),))
    with pytest.raises(RunExistsError):
        store.create(replace(run, base="gpt2", curve=(point(1), point(2))))
    assert store.load(run.id) == run


def test_missing_run_is_not_found(store: LabStore) -> None:
    """Neither loaded, nor leased, nor removed."""
    run_id = new_run().id
    for use in (store.load, store.remove, lambda run_id: store.lease(run_id, until_epoch_s=UNTIL)):
        with pytest.raises(RunNotFoundError):
            use(run_id)
    assert_takes_nothing(store, new_run())


def test_all_are_listed_newest_first(store: LabStore) -> None:
    """By the moment they were made, whatever zone it is written in."""
    runs = [queued(store, created_at=NOON + timedelta(minutes=minutes)) for minutes in (3, 1, 2)]
    assert store.all() == [runs[0], runs[2], runs[1]]


def test_a_lease_makes_it_run(store: LabStore) -> None:
    """The first lease of a queued run has fence 1, and what is given is what is kept."""
    run = queued(store)
    found = leased(store, run.id)
    assert found == store.load(run.id) == replace(run, status="running", fence=1, leased_until_epoch_s=UNTIL)


@pytest.mark.parametrize("workers", [8])
def test_of_many_that_lease_one_gets_it(store: LabStore, workers: int) -> None:
    """However many come together, and the fence grows by one."""
    run = queued(store)
    together = threading.Barrier(workers)

    def lease(_: int) -> LabRun | None:
        together.wait()
        return store.lease(run.id, until_epoch_s=UNTIL)

    with ThreadPoolExecutor(workers) as threads:
        found = [given for given in threads.map(lease, range(workers)) if given is not None]
    assert [given.fence for given in found] == [1]
    assert store.load(run.id).fence == 1


def test_a_lease_that_holds_is_respected(store: LabStore, clock: SetClock) -> None:
    """Until its last moment, and from then on it can be taken over."""
    run = queued(store)
    leased(store, run.id)
    clock.forward(LEASE_S - 0.001)
    assert store.lease(run.id, until_epoch_s=UNTIL + 99) is None
    assert store.load(run.id).leased_until_epoch_s == UNTIL
    clock.forward(0.001)
    assert leased(store, run.id, until_epoch_s=UNTIL + 99).fence == 2


def test_a_renewed_lease_holds(store: LabStore, clock: SetClock) -> None:
    """Telling anything, or nothing, renews it; even after its end, as long as nobody took it."""
    run = leased(store, queued(store).id)
    clock.forward(LEASE_S + 1)
    store.advance(run.id, run.fence, Advance(), until_epoch_s=UNTIL + LEASE_S)
    assert store.lease(run.id, until_epoch_s=UNTIL + 99) is None
    assert store.load(run.id) == replace(run, leased_until_epoch_s=UNTIL + LEASE_S)


def test_an_old_fence_can_do_nothing(store: LabStore, clock: SetClock) -> None:
    """Once another worker took the run over, nothing of the first is kept."""
    old = leased(store, queued(store).id)
    clock.forward(LEASE_S)
    new = leased(store, old.id, until_epoch_s=UNTIL + LEASE_S)
    assert_takes_nothing(store, old)
    assert store.load(new.id) == new


def test_a_released_run_waits(store: LabStore) -> None:
    """It keeps what was kept of it, takes nothing of the old fence, and can be leased at once."""
    run = leased(store, queued(store).id)
    store.advance(run.id, 1, Advance("training", 1, 8, 2.5, [point(1)], files="a/work-1-1"), until_epoch_s=UNTIL)
    store.release(run.id, 1)
    waiting = store.load(run.id)
    assert (waiting.status, waiting.activity, waiting.eta_s, waiting.files) == ("queued", "waiting", None, "a/work-1-1")
    assert (waiting.step, waiting.steps, waiting.curve) == (1, 8, (point(1),))
    assert_takes_nothing(store, run)
    assert leased(store, run.id) == replace(waiting, status="running", fence=2, leased_until_epoch_s=UNTIL)


def test_what_is_not_told_stays(store: LabStore) -> None:
    """Each field changes when it is told, and only then."""
    run = leased(store, queued(store).id)
    for told in (Advance(activity="training"), Advance(step=3), Advance(steps=8), Advance(eta_s=0.1), Advance(files="a/b")):
        before = store.load(run.id)
        store.advance(run.id, 1, told, until_epoch_s=UNTIL)
        changed = {name: getattr(told, name) for name in Advance.__slots__ if getattr(told, name) not in (None, ())}
        assert len(changed) == 1
        assert store.load(run.id) == replace(before, **changed)


@one_store_for_all_examples
@given(curve=values.curves, cuts=st.lists(st.integers(0, 6), max_size=4))
def test_the_curve_has_each_step_once(store: LabStore, curve: tuple[Point, ...], cuts: list[int]) -> None:
    """However often and from whatever step on it is told, each point is there once, in order, to the last bit."""
    run = leased(store, queued(store).id)
    for place, cut in enumerate(cuts):
        store.advance(run.id, 1, Advance(points=curve[:cut]), until_epoch_s=UNTIL)
        assert repr(store.load(run.id).curve) == repr(curve[: max(cuts[: place + 1])])
    store.remove(run.id)


def test_parts_of_a_curve_are_joined(store: LabStore) -> None:
    """In the order in which they came, also across workers; the first that was told of a step stays."""
    run = leased(store, queued(store).id)
    store.advance(run.id, 1, Advance(points=[point(1), point(2)]), until_epoch_s=UNTIL)
    store.release(run.id, 1)
    again = replace(point(2), loss=9.0)
    leased(store, run.id)
    store.advance(run.id, 2, Advance(points=[again, point(3)]), until_epoch_s=UNTIL)
    assert store.load(run.id).curve == (point(1), point(2), point(3))


def test_a_long_curve_is_kept(store: LabStore) -> None:
    """A thousand points, told in four parts."""
    run = leased(store, queued(store).id)
    curve = [point(step) for step in range(1, 1001)]
    for start in range(0, 1000, 250):
        store.advance(run.id, 1, Advance(points=curve[start : start + 250]), until_epoch_s=UNTIL)
    assert list(store.load(run.id).curve) == curve


def test_succeeded_is_final(store: LabStore, clock: SetClock) -> None:
    """The run has its result and no work to go on from, and neither its worker nor another can change it any more."""
    run = leased(store, queued(store).id)
    store.advance(run.id, 1, Advance("measuring", 8, 8, 0.5, [point(8)], files="a/work-1-1"), until_epoch_s=UNTIL)
    store.succeed(run.id, 1, "a/model-1")
    ended = store.load(run.id)
    assert (ended.status, ended.activity, ended.result, ended.problem) == ("succeeded", "done", "a/model-1", None)
    assert (ended.files, ended.eta_s, ended.step, ended.curve) == (None, None, 8, (point(8),))
    clock.forward(10 * LEASE_S)
    assert store.lease(run.id, until_epoch_s=UNTIL) is None
    assert_takes_nothing(store, run)
    assert store.load(run.id) == ended


def test_failed_is_final(store: LabStore) -> None:
    """The same of a run that failed, which has the code of its problem."""
    run = leased(store, queued(store).id)
    store.fail(run.id, 1, "nothing_to_learn")
    ended = store.load(run.id)
    assert (ended.status, ended.activity, ended.result, ended.problem) == ("failed", "done", None, "nothing_to_learn")
    assert store.lease(run.id, until_epoch_s=UNTIL) is None
    assert_takes_nothing(store, run)
    assert store.load(run.id) == ended


def test_a_removed_run_takes_nothing(store: LabStore) -> None:
    """Also of the worker that was at work on it; and the same id made anew begins with nothing of it."""
    run = leased(store, queued(store).id)
    store.advance(run.id, 1, Advance(points=[point(1)]), until_epoch_s=UNTIL)
    assert store.remove(run.id).curve == (point(1),)
    assert_takes_nothing(store, run)
    store.create(new_run(id=run.id))
    assert_takes_nothing(store, run)
    assert store.load(run.id) == new_run(id=run.id)


def test_check_reads_an_empty_store(store: LabStore) -> None:
    """A store that answers passes its check."""
    store.check()
    assert store.all() == []
