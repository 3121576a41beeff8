"""What every job store promises, on SQLite and on DynamoDB alike."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.jobs.job import Job, JobExistsError, JobStore, TaskResult
from handler.wheel.errors import JobCancelledError, JobNotFoundError
from tests.contract import job_values as values
from tests.contract.job_values import all_results, assert_counted, made, result

one_store_for_all_examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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


@pytest.mark.parametrize("total", [0, 7])
def test_begin_sets_total(store: JobStore, total: int) -> None:
    """A job that has begun is enqueued and knows its total; beginning without one leaves what is known."""
    job = made(store)
    store.begin(job, total=None)
    assert store.load(job.id) == replace(job, enqueued=True)
    for again in (total, None):
        store.begin(job, total=again)
        assert store.load(job.id) == replace(job, enqueued=True, total=total)


def test_keep_twice_is_keep_once(store: JobStore) -> None:
    """What is kept again changes nothing: the first result of a task stays, and its requests count once."""
    job = made(store, total=9)
    first = [result(0, done=3, failed=1), result(2, done=0, failed=2)]
    for results in (first, first, [result(0, "second", done=9)]):
        store.keep(job, results)
        assert_counted(store, job, first)
    assert store.kept(job.id, [0, 1, 2, 2, 3]) == {0: False, 2: False}
    assert store.kept(job.id, []) == {}


def test_given_up_is_remembered(store: JobStore) -> None:
    """A result tells whether its task was given up, and the first one decides."""
    job = made(store, total=3)
    given_up = replace(result(1, done=0, failed=1), given_up=True)
    store.keep(job, [result(0), given_up])
    store.keep(job, [replace(result(0), given_up=True), result(1)])
    assert store.kept(job.id, range(3)) == {0: False, 1: True}
    assert all_results(store, job) == [result(0), given_up]


def test_lonely_runs_are_counted(store: JobStore) -> None:
    """Each task has a count of its own, which changes neither the task nor the job."""
    job = made(store)
    assert [store.begin_alone(job, index) for index in (0, 2, 0, 0, 2)] == [1, 1, 2, 3, 2]
    assert store.tasks(job.id, range(3)) == {0: "task 0", 1: "task 1", 2: "task 2"}
    assert store.load(job.id) == job


@one_store_for_all_examples
@given(deliveries=values.deliveries)
def test_each_task_counts_once(store: JobStore, deliveries: list[list[TaskResult]]) -> None:
    """Whatever sets of results overlap, the first of each task stays, and the head counts what is there."""
    job = made(store, tasks=0)
    expected: dict[int, TaskResult] = {}
    for results in deliveries:
        store.keep(job, results)
        expected = {result.index: result for result in results} | expected
        assert_counted(store, job, expected.values())
    assert store.kept(job.id, range(7)).keys() == set(expected)
    store.forget(job.id)


def test_many_results_at_once(store: JobStore) -> None:
    """One call keeps 250 results, of which some had been kept before, here and there."""
    job = made(store, total=250)
    before = [result(index, "before") for index in (0, 98, 99, 100, 249)]
    store.keep(job, before)
    store.keep(job, [result(index) for index in range(250)])
    expected = {index: result(index) for index in range(250)} | {result.index: result for result in before}
    assert_counted(store, job, expected.values())
    assert store.load(job.id).is_complete


def test_large_results(store: JobStore) -> None:
    """Results of 200 KB are kept together, and come back together."""
    job = made(store)
    large = [TaskResult(index, f"{index}" * 200_000) for index in range(8)]
    store.keep(job, large)
    assert_counted(store, job, large)
    assert store.results(job.id, limit=7) == large[:7]
    assert store.kept(job.id, range(9)).keys() == set(range(8))


@one_store_for_all_examples
@given(indices=st.sets(st.integers(0, 99_999), max_size=12), limit=st.integers(1, 6))
def test_results_are_paged(store: JobStore, indices: set[int], limit: int) -> None:
    """Pages of any size give every result once, by index, and only the last is not full."""
    job = made(store, tasks=0)
    store.keep(job, [result(index) for index in indices])
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
    store.keep(job, [result(0)])
    cancelled = store.cancel(job.id)
    assert cancelled == store.load(job.id) == replace(job, done=1, cancelled=True)
    for late in ([result(1), result(2)], [result(0)], []):
        with pytest.raises(JobCancelledError):
            store.keep(job, late)
    assert store.cancel(job.id) == cancelled
    assert_counted(store, cancelled, [result(0)])


def test_complete_job_is_not_cancelled(store: JobStore) -> None:
    """Cancelling a job whose requests all have their result, or which has none, leaves it as it is."""
    job, empty = made(store, total=3), made(store, total=0)
    store.keep(job, [result(0, done=1, failed=2)])
    assert store.cancel(job.id) == replace(job, done=1, failed=2)
    assert store.cancel(empty.id) == empty


def test_undivided_job_is_cancelled(store: JobStore) -> None:
    """A job that does not know its total yet is not complete, whatever has been done."""
    job = made(store, total=None)
    store.keep(job, [result(0, done=50)])
    assert store.cancel(job.id).cancelled


@pytest.mark.parametrize("index", [3, 999_999])
def test_missing_task_is_not_run(store: JobStore, index: int) -> None:
    """To begin a task that the job does not have is JobNotFoundError, and makes none."""
    job = made(store, tasks=3)
    with pytest.raises(JobNotFoundError):
        store.begin_alone(job, index)
    assert store.tasks(job.id, [index]) == {}
    assert store.begin_alone(job, 2) == 1


def test_tasks_added_again_stay_as_they_are(store: JobStore) -> None:
    """A task that is added again keeps the count of its runs."""
    job = made(store, tasks=1)
    store.add_tasks(job.id, {1: "task 1"})
    assert [store.begin_alone(job, index) for index in (0, 1)] == [1, 1]
    store.add_tasks(job.id, {0: "task 0", 1: "task 1", 2: "task 2"})
    assert [store.begin_alone(job, index) for index in range(3)] == [2, 2, 1]
    assert store.tasks(job.id, range(3)) == {0: "task 0", 1: "task 1", 2: "task 2"}


def test_check_reads_an_empty_store(store: JobStore) -> None:
    """A store that answers passes its check, and goes on working."""
    store.check()
    assert all_results(store, made(store)) == []
