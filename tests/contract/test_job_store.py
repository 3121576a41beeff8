"""What every job store promises, on SQLite and on DynamoDB alike."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.jobs.job import Job, JobExistsError, JobStore, TaskResult
from handler.wheel.errors import JobCancelledError, JobNotFoundError
from tests.contract import job_values as values
from tests.contract.job_values import LIFETIME_S, OpenedStore, all_results, assert_counted, made, new_job, result
from tests.contract.session_values import NOON, SetClock

one_store_for_all_examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture(params=values.JOB_STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[OpenedStore]:
    """An empty store of each kind, with a look into it."""
    with request.param(tmp_path, clock) as store:
        yield store


@pytest.fixture
def store(opened: OpenedStore) -> JobStore:
    """An empty store of each kind."""
    return opened.store


@one_store_for_all_examples
@given(job=values.jobs)
def test_created_is_loaded_equal(store: JobStore, job: Job) -> None:
    """A created job is loaded equal, to the offset of its time, and with no text in the place of none."""
    store.create(job)
    assert repr(store.load(job.id)) == repr(job)
    store.forget(job.id)


def test_tasks_are_kept_by_index(store: JobStore) -> None:
    """A job has the tasks it was created with and those that were added, each once, and no others."""
    job = made(store, tasks=3)
    store.add_tasks(job.id, {99_999: "the last", 3: "é\u0000"})
    store.add_tasks(job.id, {3: "é\u0000"})
    assert store.tasks(job.id, [2, 3, 3, 4, 99_999]) == {2: "task 2", 3: "é\u0000", 99_999: "the last"}
    assert store.tasks(job.id, []) == {}


def test_thousand_tasks(store: JobStore) -> None:
    """A job is created with as many tasks as one request may bring, and all are read at once."""
    job = made(store, tasks=1000)
    assert store.tasks(job.id, range(1200)) == {index: f"task {index}" for index in range(1000)}


def test_taken_id_is_refused(store: JobStore) -> None:
    """A create never touches a job that lives, nor its tasks."""
    job = made(store, tasks=2)
    with pytest.raises(JobExistsError):
        store.create(replace(job, seed="another"), ["other"] * 5)
    assert store.load(job.id) == job
    assert store.tasks(job.id, range(5)) == {0: "task 0", 1: "task 1"}


def test_id_of_an_expired_job_is_free(store: JobStore, clock: SetClock) -> None:
    """A job made under the id of an expired one has none of its tasks and results, although nothing has removed them."""
    old = made(store, tasks=3)
    store.keep(old.id, [result(0), result(2)])
    clock.forward(LIFETIME_S)
    new = replace(old, expires_at_epoch_s=old.expires_at_epoch_s + LIFETIME_S)
    store.create(new, ["new"])
    assert store.tasks(new.id, range(3)) == {0: "new"}
    assert store.kept(new.id, range(3)) == {}
    store.keep(new.id, [result(0, "new")])
    assert_counted(store, new, [result(0, "new")])


@pytest.mark.parametrize("total", [0, 7])
def test_begin_sets_total(store: JobStore, total: int) -> None:
    """A job that has begun is enqueued and knows its total; beginning without one leaves what is known."""
    job = made(store)
    store.begin(job.id, total=None)
    assert store.load(job.id) == replace(job, enqueued=True)
    for again in (total, None):
        store.begin(job.id, total=again)
        assert store.load(job.id) == replace(job, enqueued=True, total=total)


def test_keep_twice_is_keep_once(store: JobStore) -> None:
    """What is kept again changes nothing: the first result of a task stays, and its requests count once."""
    job = made(store, total=9)
    first = [result(0, done=3, failed=1), result(2, done=0, failed=2)]
    for results in (first, first, [result(0, "second", done=9)]):
        store.keep(job.id, results)
        assert_counted(store, job, first)
    assert store.kept(job.id, [0, 1, 2, 2, 3]) == {0: False, 2: False}
    assert store.kept(job.id, []) == {}


def test_given_up_is_remembered(store: JobStore) -> None:
    """A result tells whether its task was given up, and the first one decides."""
    job = made(store, total=3)
    given_up = replace(result(1, done=0, failed=1), given_up=True)
    store.keep(job.id, [result(0), given_up])
    store.keep(job.id, [replace(result(0), given_up=True), result(1)])
    assert store.kept(job.id, range(3)) == {0: False, 1: True}
    assert all_results(store, job) == [result(0), given_up]


def test_lonely_runs_are_counted(store: JobStore) -> None:
    """Each task has a count of its own, which changes neither the task nor the job."""
    job = made(store)
    assert [store.begin_alone(job.id, index) for index in (0, 2, 0, 0, 2)] == [1, 1, 2, 3, 2]
    assert store.tasks(job.id, range(3)) == {0: "task 0", 1: "task 1", 2: "task 2"}
    assert store.load(job.id) == job


@one_store_for_all_examples
@given(deliveries=values.deliveries)
def test_each_task_counts_once(store: JobStore, deliveries: list[list[TaskResult]]) -> None:
    """Whatever sets of results overlap, the first of each task stays, and the head counts what is there."""
    job = made(store, tasks=0)
    expected: dict[int, TaskResult] = {}
    for results in deliveries:
        store.keep(job.id, results)
        expected = {result.index: result for result in results} | expected
        assert_counted(store, job, expected.values())
    assert store.kept(job.id, range(7)).keys() == set(expected)
    store.forget(job.id)


def test_many_results_at_once(store: JobStore) -> None:
    """One call keeps 250 results, of which some had been kept before, here and there."""
    job = made(store, total=250)
    before = [result(index, "before") for index in (0, 98, 99, 100, 249)]
    store.keep(job.id, before)
    store.keep(job.id, [result(index) for index in range(250)])
    expected = {index: result(index) for index in range(250)} | {result.index: result for result in before}
    assert_counted(store, job, expected.values())
    assert store.load(job.id).is_complete


def test_large_results(store: JobStore) -> None:
    """Results of 200 KB are kept together, and come back together."""
    job = made(store)
    large = [TaskResult(index, f"{index}" * 200_000) for index in range(8)]
    store.keep(job.id, large)
    assert_counted(store, job, large)
    assert store.results(job.id, limit=7) == large[:7]
    assert store.kept(job.id, range(9)).keys() == set(range(8))


@one_store_for_all_examples
@given(indices=st.sets(st.integers(0, 99_999), max_size=12), limit=st.integers(1, 6))
def test_results_are_paged(store: JobStore, indices: set[int], limit: int) -> None:
    """Pages of any size give every result once, by index, and only the last is not full."""
    job = made(store, tasks=0)
    store.keep(job.id, [result(index) for index in indices])
    pages = [store.results(job.id, limit=limit)]
    while pages[-1] and len(pages) <= len(indices):
        pages.append(store.results(job.id, after=pages[-1][-1].index, limit=limit))
    assert [found for page in pages for found in page] == [result(index) for index in sorted(indices)]
    assert all(len(page) == limit for page in pages[:-2])
    assert store.results(job.id, after=10**9, limit=limit) == []
    store.forget(job.id)


def test_cancelled_job_takes_no_results(store: JobStore) -> None:
    """From its cancelling on, a job keeps no result, neither a new one nor again an old one, and has what it had."""
    job = made(store, total=3)
    store.keep(job.id, [result(0)])
    cancelled = store.cancel(job.id)
    assert cancelled == store.load(job.id) == replace(job, done=1, cancelled=True)
    for late in ([result(1), result(2)], [result(0)], []):
        with pytest.raises(JobCancelledError):
            store.keep(job.id, late)
    assert store.cancel(job.id) == cancelled
    assert_counted(store, cancelled, [result(0)])


def test_complete_job_is_not_cancelled(store: JobStore) -> None:
    """Cancelling a job whose requests all have their result, or which has none, leaves it as it is."""
    job, empty = made(store, total=3), made(store, total=0)
    store.keep(job.id, [result(0, done=1, failed=2)])
    assert store.cancel(job.id) == replace(job, done=1, failed=2)
    assert store.cancel(empty.id) == empty


def test_undivided_job_is_cancelled(store: JobStore) -> None:
    """A job that does not know its total yet is not complete, whatever has been done."""
    job = made(store, total=None)
    store.keep(job.id, [result(0, done=50)])
    assert store.cancel(job.id).cancelled


def test_unknown_job_is_not_found(store: JobStore) -> None:
    """Nothing can be done with a job that was never made."""
    for use in uses(store, new_job()):
        with pytest.raises(JobNotFoundError):
            use()


def test_expired_job_is_gone(store: JobStore, clock: SetClock) -> None:
    """From its last second on, a job is gone for every method, although nothing has removed it."""
    job = made(store)
    store.keep(job.id, [result(0)])
    clock.forward(LIFETIME_S - 1)
    assert store.load(job.id) == replace(job, done=1)
    clock.forward(1)
    for use in uses(store, job)[:-1]:  # a forget may remove what is left of it
        with pytest.raises(JobNotFoundError):
            use()
    clock.now = NOON
    assert_counted(store, job, [result(0)])
    assert store.tasks(job.id, range(9)) == {index: f"task {index}" for index in range(3)}
    clock.forward(LIFETIME_S)
    with pytest.raises(JobNotFoundError):
        store.forget(job.id)


def uses(store: JobStore, job: Job) -> list[Callable[[], object]]:
    """Every use of a job."""
    return [
        lambda: store.load(job.id),
        lambda: store.add_tasks(job.id, {5: "five"}),
        lambda: store.begin(job.id, total=9),
        lambda: store.begin(job.id, total=None),
        lambda: store.tasks(job.id, [0]),
        lambda: store.tasks(job.id, []),
        lambda: store.keep(job.id, [result(1)]),
        lambda: store.keep(job.id, []),
        lambda: store.kept(job.id, [0]),
        lambda: store.kept(job.id, []),
        lambda: store.begin_alone(job.id, 0),
        lambda: store.results(job.id, limit=1),
        lambda: store.cancel(job.id),
        lambda: store.forget(job.id),
    ]


def test_forgotten_job_leaves_nothing(opened: OpenedStore) -> None:
    """Of a forgotten job no text lies in the file or the table any more, and another job has all of its own."""
    store = opened.store
    other, job = made(store), replace(new_job(), name="secret name")
    store.keep(other.id, [result(0)])
    store.create(job, ["secret task"] * 30)
    store.keep(job.id, [result(index, "secret result") for index in range(30)])
    assert all(opened.holds(f"secret {what}") for what in ("name", "task", "result"))
    store.forget(job.id)
    assert not opened.holds("secret")
    assert not opened.holds(job.id)
    for use in uses(store, job):
        with pytest.raises(JobNotFoundError):
            use()
    assert_counted(store, other, [result(0)])


def test_check_reads_an_empty_store(store: JobStore) -> None:
    """A store that answers passes its check, and goes on working."""
    store.check()
    assert all_results(store, made(store)) == []
