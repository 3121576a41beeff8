"""One SQLite file in write-ahead mode: its connections, and the one place where sqlite3's errors are translated."""

import sqlite3
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from handler.wheel.errors import StoreUnavailableError


class Connection(sqlite3.Connection):
    """A connection that remembers whether its transaction deletes what must not be read again."""

    has_erased = False

    def erase(self, statement: str, values: Sequence[Any]) -> int:
        """Delete rows; gives their number. Soon after the commit no copy of them lies beside the file either."""
        count = self.execute(statement, values).rowcount
        self.has_erased |= count > 0
        return count


class SqliteFile:
    """Transactions on the file at `path`. A connection serves one transaction at a time and is then used again.

    Only its owner may read the file, and the two that SQLite puts beside it: they hold what students write.
    """

    def __init__(self, path: Path, tables: str, *, version: int, busy_timeout_s: float) -> None:
        """Nothing is opened yet. `tables` are the statements that make the tables where they are missing.

        A file whose tables are of another `version` (1 or more) is left alone.
        """
        self._path = path
        self._tables = tables
        self._version = version
        self._busy_timeout_s = busy_timeout_s
        self._idle: deque[Connection] = deque()
        self._owes_emptying = False

    @contextmanager
    def transaction(self, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[Connection]:
        """Commit at the end of the block, or undo it all when the block raises. An IMMEDIATE one may write.

        Raises StoreUnavailableError for every error of SQLite or of the file system.
        """
        try:
            connection = self._take()
            try:
                connection.has_erased = False
                connection.execute(f"BEGIN {kind}")
                yield connection
                connection.execute("COMMIT")
                if connection.has_erased or self._owes_emptying:
                    self._empty_journal(connection)
            finally:
                self._give_back(connection)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _empty_journal(self, connection: Connection) -> None:
        """Move the journal into the file and empty it, since it still holds the pages that were erased.

        Nobody is waited for: where others are at work on the file, the next transaction here does it.
        """
        self._owes_emptying = False
        with suppress(sqlite3.Error):  # what was to be done is committed
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout_s * 1000)}")
            if not row["busy"]:
                return
        self._owes_emptying = True

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _give_back(self, connection: Connection) -> None:
        """Keep the connection for the next transaction, unless SQLite failed on it: closing undoes what had begun."""
        if isinstance(sys.exception(), sqlite3.Error):
            connection.close()
            return
        connection.rollback()
        self._idle.append(connection)

    def _open(self) -> Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False, factory=Connection
        )
        try:
            self._prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        connection.row_factory = sqlite3.Row
        # FULL, not NORMAL: a turn that was acknowledged must outlive a loss of power, which NORMAL does not promise.
        # https://www.sqlite.org/pragma.html#pragma_synchronous
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten, also by a SQLite that was built to leave it lying there.
        connection.execute("PRAGMA secure_delete = ON")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, self._version}:
            raise sqlite3.NotSupportedError(f"the file has tables of version {found}, these are of version {self._version}")
        if not found:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN IMMEDIATE; {self._tables} PRAGMA user_version = {self._version}; COMMIT;")
