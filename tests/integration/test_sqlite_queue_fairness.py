"""What the SQLite queue gives first: every job goes on, however large another one is, and however many come."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.jobs.job import Message
from handler.stores.sqlite_queue import SqliteJobQueue
from tests.contract.session_values import SetClock

numbers = count(1)
one_queue_for_all_examples = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SqliteJobQueue]:
    """An empty queue."""
    with closing(SqliteJobQueue(tmp_path / "queue.db", clock=SetClock())) as opened:
        yield opened


def new_job() -> str:
    """An id that no other job has."""
    return str(UUID(int=next(numbers)))


def send(queue: SqliteJobQueue, job_id: str, first: int, last: int) -> None:
    """Queue these tasks of a job."""
    queue.send([Message(job_id, index) for index in range(first, last)])


def taken(queue: SqliteJobQueue, most: int) -> Counter[str]:
    """Receive and finish; gives how many messages of each job came."""
    deliveries = queue.receive(most)
    queue.finish(deliveries)
    return Counter(delivery.message.job_id for delivery in deliveries if delivery.message is not None)


@one_queue_for_all_examples
@given(
    large=st.integers(1, 60),
    part=st.integers(1, 60),
    before=st.integers(0, 60),
    small=st.integers(1, 20),
    most=st.integers(1, 30),
)
def test_small_job_comes_beside_a_large_one(
    queue: SqliteJobQueue, large: int, part: int, before: int, small: int, most: int
) -> None:
    """Of a job that is sent later a receive brings as many messages as of one that waits, whether that was sent in parts or not.

    Where one has no more, the other fills what is left.
    """
    first, later = new_job(), new_job()
    for start in range(0, large, part):
        send(queue, first, start, min(start + part, large))
    left = large - taken(queue, before)[first]
    send(queue, later, 0, small)
    came = taken(queue, most)
    assert came.total() == min(most, left + small)
    assert came[first] >= min(left, most // 2)
    assert came[later] >= min(small, most // 2)
    taken(queue, 1000)


@one_queue_for_all_examples
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), most=st.integers(1, 40))
def test_jobs_share_alike(queue: SqliteJobQueue, sizes: list[int], most: int) -> None:
    """Of jobs that wait together each gets as many as any other, to within one, unless it has no more."""
    jobs = {new_job(): size for size in sizes}
    for job_id, size in jobs.items():
        send(queue, job_id, 0, size)
    came = taken(queue, most)
    greatest = max(came.values())
    assert all(came[job_id] >= min(size, greatest - 1) for job_id, size in jobs.items())
    taken(queue, 1000)


def test_tasks_of_a_job_come_in_their_order(queue: SqliteJobQueue) -> None:
    """Where there is one job, its tasks come as they were sent."""
    job_id = new_job()
    for start in (0, 10, 20):
        send(queue, job_id, start, start + 10)
    came = [queue.receive(7) for _ in range(5)]
    indices = [{delivery.message.index for delivery in deliveries if delivery.message} for deliveries in came]
    assert indices == [set(range(start, min(start + 7, 30))) for start in range(0, 30, 7)]


def test_large_job_goes_on_among_ever_new_ones(queue: SqliteJobQueue) -> None:
    """A large job is not left waiting, although as many messages of new small jobs come as are received."""
    large = new_job()
    send(queue, large, 0, 100)
    came = [0, 0]
    for half in range(2):
        for _ in range(100):
            send(queue, new_job(), 0, 4)
            came[half] += taken(queue, 4)[large]
    assert min(came) > 0


def test_put_back_message_keeps_its_turn(queue: SqliteJobQueue) -> None:
    """What is put back comes before what waits behind it, and a new job begins beside it, not before it."""
    large, small = new_job(), new_job()
    send(queue, large, 0, 50)
    taken(queue, 10)
    queue.put_back(queue.receive(5))
    send(queue, small, 0, 50)
    assert taken(queue, 10) == {large: 5, small: 5}
