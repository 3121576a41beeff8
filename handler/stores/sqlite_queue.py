"""The queue of tasks in one SQLite file: durable, and shared by many threads and processes."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from secrets import SystemRandom
from sqlite3 import Connection

from handler.jobs.job import Delivery, Message
from handler.jobs.message import message_or_none, message_text
from handler.stores.codec import Clock
from handler.stores.sqlite_file import SqliteFile

_SCHEMA_VERSION = 1
# Numbers are not given again, nor are therefore the receipts that are made of them.
_TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
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
CREATE INDEX IF NOT EXISTS messages_by_receives ON messages (receives, due_at_epoch_s);
CREATE INDEX IF NOT EXISTS dead_letters_by_age ON dead_letters (died_at_epoch_s);
"""
_DUE = "SELECT 1 FROM messages WHERE due_at_epoch_s <= ? LIMIT 1"
# By receives: few have come that often, while by due time every receive would look at all that wait.
_REMOVE_DYING = """
DELETE FROM messages INDEXED BY messages_by_receives WHERE receives >= :max_receives AND due_at_epoch_s <= :now
RETURNING number, body, :now
"""
_LEASE_DUE = """
UPDATE messages SET due_at_epoch_s = :until, receives = receives + 1, receipt = number || '.' || (receives + 1)
WHERE number IN (SELECT number FROM messages WHERE due_at_epoch_s <= :now ORDER BY due_at_epoch_s, number LIMIT :most)
RETURNING body, receives, receipt
"""
_DEAD_LETTERS_LAST_S = 14 * 86_400


class SqliteJobQueue:
    """A `JobQueue` in the file at `path`, which is made, with its folder, on first use.

    A receipt is worth something until its message is received again, even when its lease is over: from then on it neither
    finishes nor extends nor releases, so that only who received a message last decides on it. SQS promises less.
    """

    def __init__(
        self, path: Path, *, clock: Clock, lease_s: int = 60, max_receives: int = 6, busy_timeout_s: float = 5.0
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
            rows = [(message_text(message), now) for message in messages]
            connection.executemany("INSERT INTO messages (body, due_at_epoch_s) VALUES (?, ?)", rows)

    def receive(self, most: int, *, wait_s: float = 0) -> list[Delivery]:
        """Up to `most` messages that are due, those first that have been due for longest."""
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
