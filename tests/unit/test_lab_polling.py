"""Who gives runs to a worker: the process that polls the store, and the function that is called with an event."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handler import lab_entrypoint
from handler.lab.polling import Polling
from handler.lab.run import Advance, LabRun
from handler.lab.waiting import MARGIN_S, lease_ends
from handler.lab.worker import LabWorker, Outcome
from handler.stores.folder_files import FolderFiles
from handler.stores.sqlite_lab import SqliteLabStore
from handler.wheel.errors import StoreUnavailableError
from tests.contract.lab_values import LEASE_S, NOON_S, leased, new_run, queued
from tests.contract.session_values import NOON, SetClock
from tests.lab_runs import STEPS, lab_worker

UNTIL = NOON_S + LEASE_S


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon, that stands."""
    return SetClock()


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Iterator[SqliteLabStore]:
    """An empty store."""
    with closing(SqliteLabStore(tmp_path / "lab.sqlite3", clock=clock)) as opened:
        yield opened


@pytest.fixture
def worker(store: SqliteLabStore, tmp_path: Path, clock: SetClock) -> LabWorker:
    """A worker on that store."""
    return lab_worker(store, FolderFiles(tmp_path / "files"), tmp_path, clock)


def polling(store: SqliteLabStore, worker: LabWorker, clock: SetClock, stopping: threading.Event | None = None) -> Polling:
    """A process that polls."""
    return Polling(store, worker, clock=clock, stopping=stopping or threading.Event(), report=lambda _: None)


def test_what_waits_is_worked_off_oldest_first(store: SqliteLabStore, worker: LabWorker, clock: SetClock) -> None:
    """Queued runs and those whose worker is gone, but none that is at work or has ended; then there is an end."""
    names = ("third", "first", "at work", "ended", "abandoned")
    ages = (3, 1, 0, 4, 2)
    runs = {
        name: queued(store, model_name=name, created_at=NOON + timedelta(seconds=age))
        for name, age in zip(names, ages, strict=True)
    }
    leased(store, runs["at work"].id, until_epoch_s=UNTIL + 99)
    store.succeed(runs["ended"].id, leased(store, runs["ended"].id).fence, "a/b")
    leased(store, runs["abandoned"].id)
    clock.forward(LEASE_S)
    heard: list[tuple[str, Outcome]] = []
    polling(store, worker, clock).work(once=True, ended=lambda *one: heard.append(one))
    assert heard == [("first", "succeeded"), ("abandoned", "succeeded"), ("third", "succeeded")]
    assert store.load(runs["at work"].id).status == "running"


def test_a_stop_keeps_the_run_at_hand(store: SqliteLabStore, tmp_path: Path, clock: SetClock) -> None:
    """Told to stop at a step, the run waits with that step, and no other is begun."""
    runs, stopping = [queued(store), queued(store)], threading.Event()
    files = FolderFiles(tmp_path / "files")

    def stop_at_training(_: LabRun, what: object) -> None:
        if what == "training":
            stopping.set()

    worker = lab_worker(store, files, tmp_path, clock, announce=stop_at_training)
    heard: list[Outcome] = []
    polling(store, worker, clock, stopping).work(once=False, ended=lambda _, outcome: heard.append(outcome))
    assert heard == ["unfinished"]
    assert sorted(store.load(run.id).files is not None for run in runs) == [False, True]
    assert {store.load(run.id).status for run in runs} == {"queued"}


def test_a_store_that_does_not_answer_is_asked_again(
    store: SqliteLabStore, worker: LabWorker, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, and when the store is back the run is worked on."""
    run, stopping = queued(store), threading.Event()
    heard: list[Exception] = []

    def recover(error: Exception) -> None:
        heard.append(error)
        monkeypatch.undo()

    def away() -> Any:
        raise StoreUnavailableError

    monkeypatch.setattr(store, "all", away)
    monkeypatch.setattr("handler.lab.polling.POLL_EVERY_S", 0)
    process = Polling(store, worker, clock=clock, stopping=stopping, report=recover)
    process.work(once=False, ended=lambda *_: stopping.set())
    assert [type(error) for error in heard] == [StoreUnavailableError]
    assert store.load(run.id).status == "succeeded"


def ends(store: SqliteLabStore, run: LabRun, clock: SetClock, meanwhile: Callable[[], object] = lambda: None) -> bool:
    """Whether its lease ends, when something happens while one waits."""

    def pause(seconds: float) -> None:
        clock.forward(seconds)
        meanwhile()

    return lease_ends(store, run.id, clock=clock, pause=pause, lease_s=LEASE_S)


def test_an_abandoned_lease_is_waited_for(store: SqliteLabStore, clock: SetClock) -> None:
    """To its end and no longer."""
    run = queued(store)
    leased(store, run.id)
    assert ends(store, run, clock)
    assert clock().timestamp() == UNTIL


def test_whoever_is_at_work_is_left_alone(store: SqliteLabStore, clock: SetClock) -> None:
    """When the lease is renewed or released, the run ends or is removed, or the lease is longer than any of ours."""
    for meanwhile in (
        lambda run: store.advance(run.id, 1, Advance(), until_epoch_s=clock().timestamp() + 99),
        lambda run: store.release(run.id, 1),
        lambda run: store.succeed(run.id, 1, "a/b"),
        lambda run: store.remove(run.id),
    ):
        run = queued(store)
        leased(store, run.id, until_epoch_s=clock().timestamp() + LEASE_S)
        assert not ends(store, run, clock, lambda run=run, meanwhile=meanwhile: meanwhile(run))  # type: ignore[misc] # bound now
    long = queued(store)
    leased(store, long.id, until_epoch_s=clock().timestamp() + 9999)
    before = clock().timestamp()
    assert not ends(store, long, clock)
    assert clock().timestamp() == before + LEASE_S + MARGIN_S
    assert not ends(store, new_run(), clock)


def test_a_run_that_waits_is_not_waited_for(store: SqliteLabStore, clock: SetClock) -> None:
    """It can be leased at once."""
    assert ends(store, queued(store), clock)
    assert clock() == NOON


class Context:
    """Lambda's context, with time for so many pieces of work."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def get_remaining_time_in_millis(self) -> float:
        """A lot, and then what the margin takes."""
        self.pieces -= 1
        return 900_000 if self.pieces >= 0 else 30_000


@pytest.fixture
def called(store: SqliteLabStore, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The entry point's application on that store; whom it calls."""
    calls: list[str] = []
    parts = SimpleNamespace(
        lab=SimpleNamespace(store=store, call=calls.append),
        lab_worker=lambda: lab_worker(store, FolderFiles(tmp_path / "files"), tmp_path, clock),
        clock=clock,
        settings=SimpleNamespace(lab_lease_s=LEASE_S),
    )
    monkeypatch.setattr(lab_entrypoint, "application", lambda: parts)
    monkeypatch.setattr("time.sleep", clock.forward)
    return calls


def test_an_event_is_worked_on_and_called_again(store: SqliteLabStore, called: list[str]) -> None:
    """As often as time runs out; a run that has ended is not called any more."""
    run = queued(store)
    outcomes: list[Outcome] = []
    while not outcomes or called:
        called.clear()
        outcomes.append(lab_entrypoint.handler({"lab_run": run.id}, Context(3))["outcome"])
        assert called == ([run.id] if outcomes[-1] == "unfinished" else [])
    assert outcomes == [*["unfinished"] * (STEPS // 3), "succeeded"]
    assert lab_entrypoint.handler({"lab_run": run.id}, Context(3)) == {"lab_run": run.id, "outcome": "not_mine"}
    assert called == []


def test_the_event_of_a_killed_function_comes_again(store: SqliteLabStore, called: list[str], clock: SetClock) -> None:
    """Before the lease has ended: it waits for that, and goes on with the run."""
    run = queued(store)
    leased(store, run.id)
    assert lab_entrypoint.handler({"lab_run": run.id}, Context(99))["outcome"] == "succeeded"
    assert clock().timestamp() == UNTIL
    assert called == []


def test_an_event_of_no_run_is_nothing(called: list[str]) -> None:
    """It may have been removed since it was called."""
    assert lab_entrypoint.handler({"lab_run": new_run().id}, Context(9))["outcome"] == "not_mine"
    assert called == []
    with pytest.raises(KeyError):
        lab_entrypoint.handler({}, Context(9))


def test_a_run_that_was_removed_does_not_come_back(store: SqliteLabStore, called: list[str]) -> None:
    """Called again after its removal it stays away."""
    run = queued(store)
    assert lab_entrypoint.handler({"lab_run": run.id}, Context(1))["outcome"] == "unfinished"
    store.remove(run.id)
    assert lab_entrypoint.handler({"lab_run": called[0]}, Context(9))["outcome"] == "not_mine"
    assert store.all() == []
