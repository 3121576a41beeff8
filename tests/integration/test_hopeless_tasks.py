"""Tasks that cannot be done: each ends with a result that says so, blames no other, and leaves a dead letter."""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from handler.entrypoint import lambda_handler
from handler.jobs import keeping
from handler.jobs.background import BackgroundWorker
from handler.jobs.reading import read_requests
from handler.jobs.task import MOST_RECEIVES, Task
from handler.wheel.errors import StoreUnavailableError
from handler.wiring import Application
from model_layer.errors import ModelNotLoadableError
from tests.queue_events import Context, batch, failures
from tests.queue_function import kept, messages, started_function, submit


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Application]:
    """The application behind the entry point."""
    with started_function(tmp_path, monkeypatch) as started:
        yield started


def background(application: Application, reported: list[Exception] | None = None) -> BackgroundWorker:
    """A worker whose work is called by hand."""
    report = [] if reported is None else reported
    return BackgroundWorker(application.queue, application.worker, report=report.append, worked=lambda *_: None)


def test_what_comes_for_the_last_time_has_a_result_at_least(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is gone keeps every task from running; before its message is a dead letter, the task is given up."""
    job = submit(application, ["Once", "The fox"])

    def gone(_: str) -> None:
        raise ModelNotLoadableError("gone")

    monkeypatch.setattr(application.catalog, "get", gone)
    for receives in range(1, MOST_RECEIVES):
        assert failures(lambda_handler(batch(messages(job, [0, 1]), receives=receives), Context())) == [0, 1]
        assert kept(application, job) == []
    assert failures(lambda_handler(batch(messages(job, [0, 1]), receives=MOST_RECEIVES), Context())) == [0, 1]
    after = application.desk.store.load(job.id)
    assert (after.state, after.done, after.failed) == ("completed", 0, 2)


@pytest.mark.parametrize("position", [0, 3])
def test_a_task_that_cannot_even_be_read_fails_alone(
    application: Application, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """What goes wrong while a task is read is that task's failure, the second time for good."""
    job = submit(application, [f"Once {number}" for number in range(4)])

    def failing(lines: dict[int, str], *others: Any, **options: Any) -> Any:
        if position in lines:
            raise MemoryError
        return read_requests(lines, *others, **options)

    monkeypatch.setattr("handler.jobs.opening.read_requests", failing)
    neighbours = [number for number in range(4) if number != position]
    assert failures(lambda_handler(batch(messages(job, range(4))), Context())) == [position]
    assert kept(application, job) == neighbours
    assert failures(lambda_handler(batch(messages(job, [position]), receives=2), Context())) == [0]
    assert application.desk.store.load(job.id).failed == 1


def test_suspects_that_want_for_time_are_not_given_up(application: Application) -> None:
    """Only the first of them had the whole time: the others may want for it as often as they come."""
    job = submit(application, [f"Once {number}" for number in range(3)], new=40)
    event = batch(messages(job, range(3)), receives=5)
    assert failures(lambda_handler(event, Context(looks=60))) == [1, 2]
    for _ in range(9):
        assert failures(lambda_handler(batch(messages(job, [0, 1]), receives=5), Context(looks=0))) == [1]
    assert failures(lambda_handler(event, Context())) == []
    assert application.desk.store.load(job.id).done == 3


def test_a_result_too_long_for_an_item_is_a_failure(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what helps, and is kept like any other, so that its neighbours are too."""
    monkeypatch.setattr(keeping, "LONGEST_RESULT_BYTES", 3000)
    job = submit(application, ["Once", "The fox"], new=30)
    short = submit(application, ["Once"], new=1)
    assert failures(lambda_handler(batch([*messages(job, [0, 1]), *messages(short, [0])]), Context())) == []
    results = application.desk.store.results(job.id, limit=9)
    assert all('"code":"answer_too_long"' in result.body for result in results)
    assert [application.desk.store.load(one.id).failed for one in (job, short)] == [2, 0]


def test_a_worker_in_the_background_survives_whatever_happens(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error of any kind it goes on, and what it had received comes again."""
    job = submit(application, ["Once"])
    keep, errors = application.desk.store.keep, [MemoryError(), StoreUnavailableError(), KeyError()]

    def failing(*arguments: Any) -> None:
        if errors:
            raise errors.pop()
        keep(*arguments)

    monkeypatch.setattr(application.desk.store, "keep", failing)
    monkeypatch.setattr("handler.jobs.background.SHORTEST_PAUSE_S", 0.01)
    monkeypatch.setattr("handler.stores.sqlite_queue.SqliteJobQueue._now", moving_clock())
    reported: list[Exception] = []
    worker = background(application, reported)
    worker.start()
    while not application.desk.store.load(job.id).is_complete:
        pass
    worker.stop(within_s=60)
    assert [type(error) for error in reported] == [KeyError, StoreUnavailableError, MemoryError]
    assert kept(application, job) == [0]


def moving_clock() -> Any:
    """A queue's clock on which a lease is over whenever it is asked."""
    now = count(time.time(), 1000)
    return lambda _: next(now)


def test_a_stop_takes_nothing_from_a_task(application: Application) -> None:
    """However often its worker is told to stop, a task is never suspected, and is done in the end."""
    job = submit(application, ["Once", "The fox"], new=30)
    for _ in range(MOST_RECEIVES + 1):
        stopped = background(application)
        stopped.stop(within_s=0)
        assert stopped.work_once(wait_s=0) == 2
    assert kept(application, job) == []
    assert background(application).work_once(wait_s=0) == 2
    after = application.desk.store.load(job.id)
    assert (after.state, after.done, after.failed) == ("completed", 2, 0)


def test_tasks_know_their_numbers_before_they_are_read(application: Application) -> None:
    """What is given up unread still has a result for each of its requests."""
    job = submit(application, ["Once"])
    task = Task((), job, 0, "never read")
    task.give_up(ModelNotLoadableError("gone"))
    assert task.is_complete
    assert [result.index for result in task.results.values()] == [0]
