"""Training runs to keep, and both stores to keep them in."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

from handler.lab.run import LabRun, LabStore, Point
from handler.stores.codec import Clock
from handler.stores.dynamodb_lab import DynamoDbLabStore
from handler.stores.sqlite_lab import SqliteLabStore
from tests.contract.session_values import NOON, TABLE, dynamodb_client, finite, times

LEASE_S = 60
NOON_S = NOON.timestamp()


@contextmanager
def sqlite_runs(folder: Path, clock: Clock) -> Iterator[LabStore]:
    """A store in a new SQLite file."""
    with closing(SqliteLabStore(folder / uuid4().hex / "lab.sqlite3", clock=clock)) as store:
        yield store


@contextmanager
def dynamodb_runs(_: Path, clock: Clock) -> Iterator[LabStore]:
    """A store in a new table of moto's DynamoDB, whose requests come one at a time.

    DynamoDB checks a condition and writes in one go; moto does so only when nobody else asks meanwhile.
    """
    with dynamodb_client() as client:
        one_at_a_time(client)
        yield DynamoDbLabStore(TABLE, clock=clock, client=client)


def one_at_a_time(client: Any) -> None:
    """Let each request of a client wait for the one before."""
    lock, request = Lock(), client._make_api_call

    def in_turn(*arguments: Any) -> Any:
        with lock:
            return request(*arguments)

    client._make_api_call = in_turn


OpenLabStore = Callable[[Path, Clock], AbstractContextManager[LabStore]]
LAB_STORES: tuple[OpenLabStore, ...] = (sqlite_runs, dynamodb_runs)


def new_run(**changes: Any) -> LabRun:
    """A run made at noon, which waits."""
    run = LabRun(str(uuid4()), "storybook", "quick_demo", "storybook-quick-demo-1", NOON, fingerprint="9a")
    return replace(run, **changes)


def queued(store: LabStore, **changes: Any) -> LabRun:
    """A new run in the store."""
    run = new_run(**changes)
    store.create(run)
    return run


def leased(store: LabStore, run_id: str, *, until_epoch_s: float = NOON_S + LEASE_S) -> LabRun:
    """The run under a new lease, of a minute from noon on."""
    run = store.lease(run_id, until_epoch_s=until_epoch_s)
    assert run is not None
    return run


def point(step: int) -> Point:
    """A point whose numbers follow from its step."""
    return Point("sft", step, 1 / (3 + step), None)


texts = st.text(max_size=20)
counts = st.integers(0, 100_000)
points = st.builds(Point, phase=st.sampled_from(["sft", "dpo"]), step=st.just(0), loss=finite, margin=st.none() | finite)
curves = st.lists(points, max_size=6).map(lambda some: tuple(replace(one, step=3 * i + 1) for i, one in enumerate(some)))
runs = st.builds(
    LabRun,
    id=st.uuids(version=4).map(str),
    base=texts,
    plan=texts,
    model_name=texts,
    created_at=times,
    fingerprint=texts,
    status=st.sampled_from(["queued", "running", "succeeded", "failed"]),
    activity=st.sampled_from(["waiting", "preparing", "training", "measuring", "done"]),
    fence=counts,
    leased_until_epoch_s=st.just(0.0) | st.floats(1, 1e11),  # a lease that never was, and moments
    step=counts,
    steps=st.none() | counts,
    eta_s=st.none() | finite,
    curve=curves,
    files=st.none() | texts,
    result=st.none() | texts,
    problem=st.none() | texts,
)
