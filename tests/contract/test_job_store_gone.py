"""What every job store makes of jobs that are gone, and of another job under the id of one that is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from handler.jobs.job import Job, JobStore
from handler.wheel.errors import JobNotFoundError
from tests.contract.job_values import LIFETIME_S, OpenedStore, assert_counted, made, new_job, result
from tests.contract.session_values import NOON, SetClock


def test_unknown_job_is_not_found(store: JobStore) -> None:
    """Nothing can be done with a job that was never made."""
    for use in uses(store, new_job()):
        with pytest.raises(JobNotFoundError):
            use()


def test_expired_job_is_gone(store: JobStore, clock: SetClock) -> None:
    """From its last second on, a job is gone for every method, although nothing has removed it."""
    job = made(store)
    store.keep(job, [result(0)])
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


def uses_of_one(store: JobStore, job: Job) -> list[Callable[[], object]]:
    """Every use of a job that may touch no other of its id."""
    return [
        lambda: store.begin(job, total=9),
        lambda: store.begin(job, total=None),
        lambda: store.keep(job, [result(1)]),
        lambda: store.keep(job, []),
        lambda: store.begin_alone(job, 0),
    ]


def uses(store: JobStore, job: Job) -> list[Callable[[], object]]:
    """Every use of a job."""
    return [
        *uses_of_one(store, job),
        lambda: store.load(job.id),
        lambda: store.add_tasks(job.id, {5: "five"}),
        lambda: store.tasks(job.id, [0]),
        lambda: store.tasks(job.id, []),
        lambda: store.kept(job.id, [0]),
        lambda: store.kept(job.id, []),
        lambda: store.results(job.id, limit=1),
        lambda: store.cancel(job.id),
        lambda: store.forget(job.id),
    ]


def test_forgotten_job_leaves_nothing(opened: OpenedStore) -> None:
    """Of a forgotten job no text lies in the file or the table any more, and another job has all of its own."""
    store = opened.store
    other, job = made(store), replace(new_job(), name="secret name")
    store.keep(other, [result(0)])
    store.create(job, ["secret task"] * 30)
    store.keep(job, [result(index, "secret result") for index in range(30)])
    assert all(opened.holds(f"secret {what}") for what in ("name", "task", "result"))
    store.forget(job.id)
    assert not opened.holds("secret")
    assert not opened.holds(job.id)
    for use in uses(store, job):
        with pytest.raises(JobNotFoundError):
            use()
    assert_counted(store, other, [result(0)])


@pytest.mark.parametrize("end", ["forgotten", "expired"])
def test_another_job_of_the_id_is_left_alone(store: JobStore, clock: SetClock, end: str) -> None:
    """What is kept or noted of a job that is gone is JobNotFoundError, and changes nothing of one that has its id by now."""
    old = made(store, total=3)
    if end == "forgotten":
        store.forget(old.id)
    else:
        clock.forward(LIFETIME_S)
    new = replace(old, seed="another", expires_at_epoch_s=old.expires_at_epoch_s + LIFETIME_S)
    store.create(new, ["new"])
    for use in uses_of_one(store, old):
        with pytest.raises(JobNotFoundError):
            use()
    assert_counted(store, new, [])
    assert store.begin_alone(new, 0) == 1


def test_id_of_an_expired_job_is_free(store: JobStore, clock: SetClock) -> None:
    """A job made under the id of an expired one has none of its tasks and results, although nothing has removed them."""
    old = made(store, tasks=3)
    store.keep(old, [result(0), result(2)])
    clock.forward(LIFETIME_S)
    new = replace(old, seed="another", expires_at_epoch_s=old.expires_at_epoch_s + LIFETIME_S)
    store.create(new, ["new"])
    assert store.tasks(new.id, range(3)) == {0: "new"}
    assert store.kept(new.id, range(3)) == {}
    store.keep(new, [result(0, "new")])
    assert_counted(store, new, [result(0, "new")])
