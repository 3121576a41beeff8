"""One SQLite file in write-ahead mode: its tables, its connections, and the one place where sqlite3's errors are translated."""

import sqlite3
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from handler.wheel.errors import StoreUnavailableError

_SCHEMA_VERSION = 2
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    model_name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_accessed TEXT NOT NULL,
    expires_at_epoch_s INTEGER NOT NULL,
    prompt_token_ids TEXT NOT NULL,
    generated_token_ids TEXT NOT NULL,
    settings TEXT NOT NULL,
    starting_settings TEXT NOT NULL,
    version INTEGER NOT NULL,
    looks INTEGER NOT NULL,
    began_under TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS turns (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session_id, position)
);
CREATE TABLE IF NOT EXISTS answers (
    scope TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    body TEXT NOT NULL,
    expires_at_epoch_s INTEGER NOT NULL,
    PRIMARY KEY (scope, key_hash)
);
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at_epoch_s);
CREATE INDEX IF NOT EXISTS answers_by_expiry ON answers (expires_at_epoch_s);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""


class SqliteFile:
    """Transactions on the file at `path`. A connection serves one transaction at a time and is then used again.

    Only its owner may read the file, and the two that SQLite puts beside it: they hold what students write.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._idle: deque[sqlite3.Connection] = deque()

    @contextmanager
    def transaction(self, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
        """Commit at the end of the block, or undo it all when the block raises. An IMMEDIATE one may write.

        Raises StoreUnavailableError for every error of SQLite or of the file system.
        """
        try:
            connection = self._take()
            try:
                connection.execute(f"BEGIN {kind}")
                yield connection
                connection.execute("COMMIT")
            finally:
                self._give_back(connection)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """Keep the connection for the next transaction, unless SQLite failed on it: closing undoes what had begun."""
        if isinstance(sys.exception(), sqlite3.Error):
            connection.close()
            return
        connection.rollback()
        self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        connection = sqlite3.connect(self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        # FULL, not NORMAL: a turn that was acknowledged must outlive a loss of power, which NORMAL does not promise.
        # https://www.sqlite.org/pragma.html#pragma_synchronous
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, _SCHEMA_VERSION}:
            raise sqlite3.NotSupportedError(f"the file has tables of version {found}, these are of version {_SCHEMA_VERSION}")
        if not found:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)
