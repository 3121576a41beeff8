"""What a worker tells the store, and how it holds its lease."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from handler.lab.errors import LeaseLostError
from handler.lab.run import Advance, LabFiles, LabRun, LabStore
from handler.stores.sqlite_lab import SqliteLabStore
from handler.wheel.errors import StoreUnavailableError
from model_layer.constitution.plan import Progress
from model_layer.constitution.watch import Watch
from tests.contract.lab_values import LEASE_S, queued
from tests.contract.session_values import SetClock
from tests.lab_places import Opened
from tests.lab_runs import STEPS, assert_succeeded, forever, lab_worker, make_in_steps, progress


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(
    store: LabStore, files: LabFiles, tmp_path: Path, clock: SetClock, loss: float
) -> None:
    """It is not kept either: no JSON could hold it."""
    run = queued(store)

    def diverge(_: LabRun, __: Path, ___: Path, watch: Watch) -> None:
        watch.progress(progress(1))
        watch.progress(Progress("sft", 2, STEPS, loss, None, 1.0))

    worker = lab_worker(store, files, tmp_path, clock, make=diverge, report=lambda _: None)
    assert worker.work(run.id, seconds_left=forever) == "failed"
    assert store.load(run.id).problem == "diverged"
    assert [one.step for one in store.load(run.id).curve] == [1]


class RestlessStore(SqliteLabStore):
    """A store that counts what is told, and does not take what `refuses` says."""

    told: list[Advance]

    def refuses(self, told: Advance) -> bool:
        """Whether the store does not answer now."""
        del told
        return False

    def advance(self, run_id: str, fence: int, told: Advance, *, until_epoch_s: float) -> None:
        """As the store, if at all."""
        self.told.append(told)
        if self.refuses(told):
            raise StoreUnavailableError
        super().advance(run_id, fence, told, until_epoch_s=until_epoch_s)


@pytest.fixture
def restless(tmp_path: Path, clock: SetClock) -> Iterator[RestlessStore]:
    """An empty store of that kind."""
    with closing(RestlessStore(tmp_path / "restless.sqlite3", clock=clock)) as opened:
        opened.told = []
        yield opened


def test_the_store_is_not_hammered(restless: RestlessStore, place: Opened, tmp_path: Path, clock: SetClock) -> None:
    """Steps within a second are told together: with a keep, after it, at a new phase, when training ends. None is lost."""
    run = queued(restless)
    assert lab_worker(restless, place.files, tmp_path, clock).work(run.id, seconds_left=forever) == "succeeded"
    told = [[one.step for one in advance.points] for advance in restless.told]
    assert told == [[], [], [1, 2], [3], [4, 5], [], [6], [7, 8], []]
    assert_succeeded(restless, place, run, tmp_path)


def test_every_second_is_told(restless: RestlessStore, files: LabFiles, tmp_path: Path, clock: SetClock) -> None:
    """Steps that take a second or more are told one by one."""
    run = queued(restless)
    worker = lab_worker(restless, files, tmp_path, clock, announce=lambda *_: clock.forward(1))
    assert worker.work(run.id, seconds_left=forever) == "succeeded"
    told = [[one.step for one in advance.points] for advance in restless.told if advance.points]
    assert told == [[step] for step in range(1, STEPS + 1)]


def test_a_store_that_fails_now_and_then_loses_nothing(
    restless: RestlessStore, place: Opened, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that it could not take are told again later."""
    run, calls = queued(restless), count()
    heard: list[Exception] = []
    monkeypatch.setattr(restless, "refuses", lambda told: bool(told.points) and not told.files and next(calls) % 2 == 0)
    worker = lab_worker(restless, place.files, tmp_path, clock, announce=lambda *_: clock.forward(1), report=heard.append)
    assert worker.work(run.id, seconds_left=forever) == "succeeded"
    assert heard
    assert_succeeded(restless, place, run, tmp_path)


def test_a_store_that_fails_at_a_keep_ends_the_attempt(
    restless: RestlessStore, place: Opened, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it was taken, so nothing is removed; when the lease has ended, the run goes on."""
    run = queued(restless)
    heard: list[Exception] = []
    worker = lab_worker(restless, place.files, tmp_path, clock, report=heard.append)
    with monkeypatch.context() as failing:
        failing.setattr(restless, "refuses", lambda told: told.files is not None)
        assert worker.work(run.id, seconds_left=forever) == "unfinished"
    assert [type(error) for error in heard] == [StoreUnavailableError]
    assert place.names()
    clock.forward(LEASE_S)
    assert worker.work(run.id, seconds_left=forever) == "succeeded"
    assert_succeeded(restless, place, run, tmp_path)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread."""
    while not is_so():
        threading.Event().wait(0.001)


def test_a_busy_workers_lease_is_renewed(store: LabStore, files: LabFiles, tmp_path: Path, clock: SetClock) -> None:
    """While the worker tells nothing for longer than a lease."""
    run = queued(store)

    def work_long(run: LabRun, base: Path, work: Path, watch: Watch) -> Path | None:
        for _ in range(3):
            clock.forward(60)
            until(lambda: store.load(run.id).leased_until_epoch_s > clock().timestamp())
        return make_in_steps(run, base, work, watch)

    worker = lab_worker(store, files, tmp_path, clock, make=work_long, lease_s=0.03)
    assert worker.work(run.id, seconds_left=forever) == "succeeded"


def test_a_worker_hears_that_its_lease_is_lost(store: LabStore, files: LabFiles, tmp_path: Path, clock: SetClock) -> None:
    """From the thread that renews it, so that even a step which is not sent yet ends the work."""
    run = queued(store)

    def go_on(_: LabRun, __: Path, ___: Path, watch: Watch) -> Any:
        watch.progress(progress(1))
        store.remove(run.id)
        for step in count(2):
            watch.progress(Progress("sft", step, 10**9, 1.0, None, 1.0))

    worker = lab_worker(store, files, tmp_path, clock, make=go_on, lease_s=0.03)
    assert worker.work(run.id, seconds_left=forever) == "not_mine"
    with pytest.raises(LeaseLostError):
        store.release(run.id, 1)
