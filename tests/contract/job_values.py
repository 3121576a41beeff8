"""Jobs and results to keep, and both stores to keep them in, with a look at what lies there."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from hypothesis import strategies as st

from handler.jobs.job import Job, JobStore, TaskResult
from handler.stores.codec import Clock
from handler.stores.dynamodb_jobs import DynamoDbJobStore
from handler.stores.sqlite_jobs import SqliteJobStore
from tests.contract.session_values import NOON, TABLE, dynamodb_client, times

LIFETIME_S = 3600


@dataclass(frozen=True)
class OpenedStore:
    """A store, and whether a text lies anywhere in its file or table."""

    store: JobStore
    holds: Callable[[str], bool]


@contextmanager
def sqlite_jobs(folder: Path, clock: Clock) -> Iterator[OpenedStore]:
    """A store in a new SQLite file."""
    path = folder / uuid4().hex / "jobs.sqlite3"
    with closing(SqliteJobStore(path, clock=clock)) as store:

        def holds(text: str) -> bool:
            return any(text.encode() in file.read_bytes() for file in path.parent.iterdir())

        yield OpenedStore(store, holds)


@contextmanager
def dynamodb_jobs(_: Path, clock: Clock) -> Iterator[OpenedStore]:
    """A store in a new table of moto's DynamoDB."""
    with dynamodb_client() as client:
        store = DynamoDbJobStore(TABLE, clock=clock, client=client)
        yield OpenedStore(store, lambda text: text in str(client.scan(TableName=TABLE)["Items"]))


OpenJobStore = Callable[[Path, Clock], AbstractContextManager[OpenedStore]]
JOB_STORES: tuple[OpenJobStore, ...] = (sqlite_jobs, dynamodb_jobs)


def new_job(*, total: int | None = None) -> Job:
    """A job made at noon, good for an hour."""
    expires_at_epoch_s = int(NOON.timestamp()) + LIFETIME_S
    return Job(str(uuid4()), "storybook", NOON, expires_at_epoch_s, seed="class 4b", fingerprint="9a", total=total)


def made(store: JobStore, *, tasks: int = 3, total: int | None = None) -> Job:
    """A job in the store, with some tasks."""
    job = new_job(total=total)
    store.create(job, [f"task {index}" for index in range(tasks)])
    return job


def result(index: int, body: str = "first", *, done: int = 1, failed: int = 0) -> TaskResult:
    """A result with a body of its own."""
    return TaskResult(index, f'"{body} of {index}"', done=done, failed=failed)


def all_results(store: JobStore, job: Job) -> list[TaskResult]:
    """Every result the store gives for the job."""
    return store.results(job.id, limit=1000)


def assert_counted(store: JobStore, job: Job, expected: Collection[TaskResult]) -> None:
    """These are the results, and the head, otherwise unchanged, counts the requests of each once."""
    assert all_results(store, job) == sorted(expected, key=lambda result: result.index)
    done, failed = sum(result.done for result in expected), sum(result.failed for result in expected)
    assert store.load(job.id) == replace(job, done=done, failed=failed)


counts = st.integers(0, 100_000)
texts = st.text(max_size=20)
jobs = st.builds(
    Job,
    id=st.uuids(version=4).map(str),
    model_name=st.sampled_from(["storybook", "gpt2"]),
    created_at=times,
    expires_at_epoch_s=st.integers(1, LIFETIME_S).map(int(NOON.timestamp()).__add__),
    seed=texts,
    fingerprint=texts,
    name=st.none() | texts,
    source=st.none() | texts,
    version=st.none() | texts,
    output=st.none() | texts,
    total=st.none() | counts,
    done=counts,
    failed=counts,
    enqueued=st.booleans(),
    cancelled=st.booleans(),
)
deliveries = st.lists(
    st.lists(
        st.builds(result, st.integers(0, 6), st.sampled_from("abc"), done=st.integers(0, 3), failed=st.integers(0, 3)),
        unique_by=lambda result: result.index,
        max_size=5,
    ),
    max_size=6,
)
