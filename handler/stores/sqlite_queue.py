"""The queue of tasks in one SQLite file: durable, and shared by many threads and processes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from secrets import SystemRandom

from handler.jobs.job import Delivery, Message
from handler.jobs.message import message_or_none, message_text
from handler.stores.codec import Clock
from handler.stores.sqlite_file import Connection, SqliteFile

_SCHEMA_VERSION = 1
# Numbers are not given again, since dead letters keep theirs.
#
# Messages come by their turns, and each job's are numbered on from the turn that is at the head of the queue when it is sent,
# so that all jobs go on beside each other (start-time fair queueing, https://doi.org/10.1145/248156.248171):
#
#     a job of 50,000 is sent:           turns      0 ... 49,999
#     1,000 are done, a job of 3 comes:  turns  1,000 ...  1,002, which come with 1,000 ... 1,002 of the first
_TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    job_id TEXT,
    turn INTEGER NOT NULL DEFAULT 0,
    due_at_epoch_s REAL NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0,
    receipt TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS dead_letters (
    number INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    died_at_epoch_s REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_due_time ON messages (due_at_epoch_s);
CREATE INDEX IF NOT EXISTS messages_by_receives ON messages (receives, turn);
CREATE INDEX IF NOT EXISTS messages_by_turn ON messages (turn, due_at_epoch_s);
CREATE INDEX IF NOT EXISTS messages_by_job ON messages (job_id, turn);
CREATE INDEX IF NOT EXISTS dead_letters_by_age ON dead_letters (died_at_epoch_s);
"""
_INSERT = "INSERT INTO messages (body, job_id, turn, due_at_epoch_s) VALUES (?, ?, ?, ?)"
_TURN_AT_HEAD = "SELECT MIN(turn) FROM messages WHERE receives = 0"
_LAST_TURN = "SELECT MAX(turn) FROM messages WHERE job_id = ?"
_DUE = "SELECT 1 FROM messages WHERE due_at_epoch_s <= ? LIMIT 1"
# By receives: few have come that often, while by due time every receive would look at all that wait.
_REMOVE_DYING = """
DELETE FROM messages INDEXED BY messages_by_receives WHERE receives >= :max_receives AND due_at_epoch_s <= :now
RETURNING number, body, :now
"""
# By turn: what is leased has low turns, and is little beside what waits, all of which would have to be sorted by due time.
_LEASE_DUE = """
UPDATE messages SET due_at_epoch_s = :until, receives = receives + 1, receipt = hex(randomblob(16))
WHERE number IN (
    SELECT number FROM messages INDEXED BY messages_by_turn WHERE due_at_epoch_s <= :now
    ORDER BY turn, due_at_epoch_s, number LIMIT :most
)
RETURNING body, receives, receipt
"""
# Without its receipt, what was put back is nothing to who holds that.
_PUT_BACK = "UPDATE messages SET due_at_epoch_s = ?, receives = MAX(receives - 1, 0), receipt = NULL WHERE receipt = ?"
_DEAD_LETTERS_LAST_S = 14 * 86_400


class SqliteJobQueue:
    """A `JobQueue` in the file at `path`, which is made, with its folder, on first use.

    A receipt is worth something until its message is put back or received again, even when its lease is over: from then on
    it does nothing to the message, so that only who received it last decides on it. SQS promises less.
    """

    def __init__(
        self, path: Path, *, clock: Clock, lease_s: int = 30, max_receives: int = 6, busy_timeout_s: float = 5.0
    ) -> None:
        """A message that was received `max_receives` times, and is due again, goes to the dead letters at the next receive.

        What waits longer than `busy_timeout_s` for other writers raises StoreUnavailableError.
        """
        self._file = SqliteFile(path, _TABLES, version=_SCHEMA_VERSION, busy_timeout_s=busy_timeout_s)
        self._clock = clock
        self._lease_s = lease_s
        self._max_receives = max_receives

    def close(self) -> None:
        """Close the file. The queue opens it again when it is used again."""
        self._file.close()

    def send(self, messages: Sequence[Message]) -> None:
        """Queue all messages or none."""
        now = self._now()
        with self._writing() as connection:
            turns = {job_id: _next_turns(connection, job_id) for job_id in {message.job_id for message in messages}}
            rows = [(message_text(message), message.job_id, next(turns[message.job_id]), now) for message in messages]
            connection.executemany(_INSERT, rows)

    def receive(self, most: int, *, wait_s: float = 0) -> list[Delivery]:
        """Up to `most` messages that are due, of all jobs in turn. What comes again has kept its turn."""
        deadline_s = time.monotonic() + wait_s
        while not (deliveries := self._receive_due(most)) and (left_s := deadline_s - time.monotonic()) > 0:
            time.sleep(min(left_s, SystemRandom().uniform(0.1, 0.2)))
        return deliveries

    def _receive_due(self, most: int) -> list[Delivery]:
        now = self._now()
        with self._reading() as connection:  # so that those who wait do not take the file from those who write
            if connection.execute(_DUE, (now,)).fetchone() is None:
                return []
        with self._writing() as connection:
            self._bury(connection, now)
            rows = connection.execute(_LEASE_DUE, {"until": now + self._lease_s, "now": now, "most": most}).fetchall()
        return [Delivery(message_or_none(row["body"]), row["receives"], row["receipt"]) for row in rows]

    def _bury(self, connection: Connection, now: float) -> None:
        """Move what was received too often to the dead letters, and remove the oldest of these."""
        dying = connection.execute(_REMOVE_DYING, {"now": now, "max_receives": self._max_receives}).fetchall()
        connection.executemany("INSERT INTO dead_letters VALUES (?, ?, ?)", dying)
        connection.execute("DELETE FROM dead_letters WHERE died_at_epoch_s <= ?", (now - _DEAD_LETTERS_LAST_S,))

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Begin the leases anew."""
        self._lease(deliveries, self._lease_s)

    def release(self, deliveries: Sequence[Delivery], *, delay_s: int = 0) -> None:
        """End the leases after `delay_s`."""
        self._lease(deliveries, delay_s)

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """End the leases as if these had not been received."""
        now = self._now()
        with self._writing() as connection:
            connection.executemany(_PUT_BACK, [(now, delivery.receipt) for delivery in deliveries])

    def _lease(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        until = self._now() + seconds
        with self._writing() as connection:
            rows = [(until, delivery.receipt) for delivery in deliveries]
            connection.executemany("UPDATE messages SET due_at_epoch_s = ? WHERE receipt = ?", rows)

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Remove the messages."""
        with self._writing() as connection:
            connection.executemany("DELETE FROM messages WHERE receipt = ?", [(delivery.receipt,) for delivery in deliveries])

    def dead_letters(self) -> list[Message | None]:
        """The dead letters of the last 14 days, the oldest first; None stands for one that is no message of ours."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT body FROM dead_letters WHERE died_at_epoch_s > ? ORDER BY died_at_epoch_s, number",
                (self._now() - _DEAD_LETTERS_LAST_S,),
            ).fetchall()
        return [message_or_none(row["body"]) for row in rows]

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("DEFERRED")

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("IMMEDIATE")

    def _now(self) -> float:
        return self._clock().timestamp()


def _next_turns(connection: Connection, job_id: str) -> Iterator[int]:
    """The turns of a job's next messages: from the head of the queue on, or after those that it has there."""
    at_head: int | None = connection.execute(_TURN_AT_HEAD).fetchone()[0]
    last: int | None = connection.execute(_LAST_TURN, (job_id,)).fetchone()[0]
    return count(max(at_head or 0, 0 if last is None else last + 1))
