"""The SQLite queue to the fraction of a second, among real processes, and when its file does not answer."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from handler.jobs.job import Delivery
from handler.stores.sqlite_queue import SqliteJobQueue
from handler.wheel.errors import StoreUnavailableError
from tests.contract.queue_values import indices, messages
from tests.contract.session_values import SetClock

ROOT = Path(__file__).parents[2]
DEAD_LETTERS_LAST_S = 14 * 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be, in a folder that is not there yet."""
    return tmp_path / "data" / "jobs.db"


@pytest.fixture
def clock() -> SetClock:
    """A quarter of a second after noon."""
    return SetClock()


@pytest.fixture
def queue(path: Path, clock: SetClock) -> Iterator[SqliteJobQueue]:
    """A queue of one message, received once at most."""
    with closing(SqliteJobQueue(path, clock=clock, max_receives=1, busy_timeout_s=60)) as opened:
        yield opened


@pytest.fixture
def lasting(path: Path, clock: SetClock) -> Iterator[SqliteJobQueue]:
    """A queue that gives up no message soon."""
    with closing(SqliteJobQueue(path, clock=clock, max_receives=99, busy_timeout_s=60)) as opened:
        yield opened


def test_a_lease_ends_to_the_fraction_of_a_second(lasting: SqliteJobQueue, clock: SetClock) -> None:
    """A message is due exactly when its lease is over, not a whole second before or after."""
    lasting.send(messages(1))
    clock.forward(0.6)
    assert len(lasting.receive(1)) == 1
    clock.forward(29.75)
    assert lasting.receive(1) == []
    clock.forward(0.25)
    assert len(lasting.receive(1)) == 1


def test_what_comes_again_has_kept_its_turn(lasting: SqliteJobQueue, clock: SetClock) -> None:
    """What was released comes before what was sent after it."""
    lasting.send(messages(3))
    lasting.release(lasting.receive(1), delay_s=1)
    assert indices(lasting.receive(1)) == [1]
    clock.forward(1)
    assert [indices(lasting.receive(1)) for _ in range(2)] == [[0], [2]]


def test_a_stale_receipt_is_worth_nothing(lasting: SqliteJobQueue, clock: SetClock) -> None:
    """Who holds a receipt from before the last delivery neither finishes, nor extends, nor releases, nor puts back."""
    lasting.send(messages(1))
    stale = lasting.receive(1)
    clock.forward(30)
    latest = lasting.receive(1)
    for end in (lasting.release, lasting.put_back):
        end(stale)
        assert lasting.receive(1) == []
    lasting.extend(stale)
    lasting.finish(stale)
    clock.forward(30)
    assert [delivery.receives for delivery in lasting.receive(1)] == [latest[0].receives + 1]


def test_what_was_put_back_is_in_nobodys_hand(lasting: SqliteJobQueue) -> None:
    """Who has put a message back does nothing to it any more, neither at once nor when it was received again."""
    lasting.send(messages(1))
    lasting.release(lasting.receive(1))
    held = lasting.receive(1)
    for _ in range(3):
        lasting.put_back(held)
    lasting.finish(held)
    lasting.release(held, delay_s=10)
    [again] = lasting.receive(1)
    assert again.receives == held[0].receives == 2
    assert again.receipt != held[0].receipt
    lasting.finish(held)
    lasting.release(held)
    assert lasting.receive(1) == []
    lasting.release([again])
    assert len(lasting.receive(1)) == 1


def test_the_last_receive_can_be_taken_back(queue: SqliteJobQueue) -> None:
    """A message whose last receive was put back comes once more, and is no dead letter until it was received as often."""
    queue.send(messages(1))
    for _ in range(5):
        queue.put_back(queue.receive(1))
    queue.release(queue.receive(1))
    assert queue.receive(1) == []
    assert queue.dead_letters() == messages(1)


def test_a_late_receipt_is_good_until_the_next_delivery(lasting: SqliteJobQueue, clock: SetClock) -> None:
    """Work that took longer than its lease counts, when nobody else has begun it."""
    lasting.send(messages(1))
    late = lasting.receive(1)
    clock.forward(600)
    lasting.finish(late)
    assert lasting.receive(1) == []


def test_receipts_of_finished_messages_are_not_given_again(lasting: SqliteJobQueue) -> None:
    """The receipt of a message that is gone never names another one."""
    lasting.send(messages(1))
    gone = lasting.receive(1)
    lasting.finish(gone)
    lasting.send(messages(1))
    assert lasting.receive(1)[0].receipt != gone[0].receipt


def test_dead_letters_last_two_weeks(queue: SqliteJobQueue, path: Path, clock: SetClock) -> None:
    """A dead letter is shown for 14 days, and its row goes with the next that is buried."""
    for message in messages(2):
        queue.send([message])
        queue.release(queue.receive(1))
        assert queue.receive(1) == []
        assert queue.dead_letters() == [message]
        clock.forward(DEAD_LETTERS_LAST_S - 1)
        assert queue.dead_letters() == [message]
        clock.forward(1)
        assert queue.dead_letters() == []
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT COUNT(*) FROM dead_letters").fetchone()[0] == 1


def consumer(path: Path, *, ahead_s: float = 0) -> subprocess.Popen[str]:
    """A process that consumes the queue."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.queue_consumer", str(path), str(ahead_s)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> list[int]:
    """What a consumer has finished, once it has ended well."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return [int(line) for line in output.split()]


def test_a_killed_consumer_loses_nothing(queue: SqliteJobQueue, path: Path) -> None:
    """What a killed process had leased, two others finish: each message once, but for the finish in which the kill fell."""
    queue.send(messages(400))
    with consumer(path) as killed:
        assert killed.stdout is not None
        finished = [int(killed.stdout.readline()) for _ in range(25)]
        killed.kill()
        finished += [int(line) for line in killed.stdout.read().split("\n") if line]
    assert killed.returncode < 0
    others = [consumer(path, ahead_s=120) for _ in range(2)]
    shares = [told(process) for process in others]
    finished += [index for share in shares for index in share]
    assert len(finished) == len(set(finished))
    assert len(set(range(400)) - set(finished)) <= 1
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT COUNT(*) FROM messages").fetchone()[0] == 0
    assert queue.dead_letters() == []


def test_a_queue_outlives_the_process(queue: SqliteJobQueue, path: Path, clock: SetClock) -> None:
    """A file that was closed and opened again has its messages, leases and dead letters."""
    leased, buried, due = messages(3)
    queue.send([buried])
    queue.release(queue.receive(1))
    assert queue.receive(1) == []
    queue.send([leased])
    queue.receive(1)
    queue.send([due])
    queue.close()
    with closing(SqliteJobQueue(path, clock=clock)) as again:
        assert [delivery.message for delivery in again.receive(9)] == [due]
        assert again.dead_letters() == [buried]


def test_a_file_that_does_not_answer(path: Path, clock: SetClock) -> None:
    """Every method raises StoreUnavailableError when the file is no database, and leaves it as it was."""
    path.parent.mkdir()
    path.write_text("not a database, " * 100)
    queue = SqliteJobQueue(path, clock=clock)
    held = [Delivery(messages(1)[0], 1, "1.1")]
    for use in (
        lambda: queue.send(messages(1)),
        lambda: queue.receive(1),
        lambda: queue.extend(held),
        lambda: queue.finish(held),
        lambda: queue.release(held),
        lambda: queue.put_back(held),
        queue.dead_letters,
    ):
        with pytest.raises(StoreUnavailableError):
            use()
    assert path.read_text() == "not a database, " * 100


def test_who_only_looks_does_not_wait_for_writers(lasting: SqliteJobQueue, path: Path, clock: SetClock) -> None:
    """A receive with nothing to give takes no lock, so that idle consumers never keep anyone from sending."""
    lasting.send([])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with closing(SqliteJobQueue(path, clock=clock, busy_timeout_s=0)) as impatient:
            assert impatient.receive(1) == []
            with pytest.raises(StoreUnavailableError):
                impatient.send(messages(1))
        writer.execute("ROLLBACK")
