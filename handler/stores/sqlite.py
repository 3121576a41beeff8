"""Sessions in one SQLite file: durable, atomic, and safe for many threads and processes.

Expiry is a condition of every statement; rows that expired are removed a few at a time, when others are added.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from sqlite3 import Row
from typing import cast

from handler.stores.codec import (
    Clock,
    SessionRecord,
    now_epoch_s,
    session_from,
    session_record,
    turn_from,
    turn_text,
)
from handler.stores.sqlite_file import Connection, SqliteFile
from handler.wheel.errors import SessionNotFoundError, VersionConflictError
from handler.wheel.session import AnswerExistsError, Session, StoredAnswer, Turn

_SCHEMA_VERSION = 2
_TABLES = """
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
"""
_INSERT_SESSION = """
INSERT INTO sessions VALUES (:id, :model_name, :created_at, :last_accessed, :expires_at_epoch_s,
                             :prompt_token_ids, :generated_token_ids, :settings, :starting_settings,
                             :version, :looks, :began_under)
"""
_REPLACE_SESSION = """
UPDATE sessions SET model_name = :model_name, last_accessed = :last_accessed, expires_at_epoch_s = :expires_at_epoch_s,
                    prompt_token_ids = :prompt_token_ids, generated_token_ids = :generated_token_ids,
                    settings = :settings, starting_settings = :starting_settings,
                    version = :version, looks = :looks, began_under = :began_under
WHERE id = :id AND version = :version_before AND looks = :looks_before AND expires_at_epoch_s > :now
"""
# A few for each session or answer that is added: old rows go faster than new ones come, and no request waits long for it.
_PRUNE_SESSIONS = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at_epoch_s <= ? LIMIT 8)"
_PRUNE_ANSWERS = "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE expires_at_epoch_s <= ? LIMIT 8)"


class SqliteSessionStore:
    """A `SessionStore` in the file at `path`, which is made, with its folder, on first use."""

    def __init__(self, path: Path, *, clock: Clock, busy_timeout_s: float = 5.0) -> None:
        """A write that waits longer than `busy_timeout_s` for other writers raises StoreUnavailableError."""
        self._file = SqliteFile(path, _TABLES, version=_SCHEMA_VERSION, busy_timeout_s=busy_timeout_s)
        self._clock = clock

    def close(self) -> None:
        """Close the file. The store opens it again when it is used again."""
        self._file.close()

    def create(self, session: Session, turns: Sequence[Turn] = (), answer: StoredAnswer | None = None) -> None:
        """Keep a new session with its turns and the answer that made it."""
        now = now_epoch_s(self._clock)
        with self._writing() as connection:
            connection.erase(_PRUNE_SESSIONS, (now,))
            connection.erase(_PRUNE_ANSWERS, (now,))
            _keep_answer(connection, answer, now)
            _refuse_taken_id(connection, session.id)
            connection.execute(_INSERT_SESSION, session_record(session))
            _keep_turns(connection, session.id, turns)

    def load(self, session_id: str) -> Session:
        """The session's head."""
        with self._reading() as connection:
            return session_from(self._head(connection, session_id))

    def turns(self, session_id: str, *, start: int, stop: int) -> list[Turn]:
        """Turns with start <= index < stop."""
        with self._reading() as connection:
            self._head(connection, session_id)
            rows = connection.execute(
                "SELECT body FROM turns WHERE session_id = ? AND position >= ? AND position < ? ORDER BY position",
                (session_id, start, stop),
            )
            return [turn_from(row["body"]) for row in rows]

    def commit(self, before: Session, after: Session, *, turn: Turn | None = None, answer: StoredAnswer | None = None) -> None:
        """Put `after` in the place of `before`, with its turn and answer."""
        now = now_epoch_s(self._clock)
        with self._writing() as connection:
            _keep_answer(connection, answer, now)
            seen = {"version_before": before.version, "looks_before": before.looks}
            values = {**session_record(after), **seen, "now": now}
            if not connection.execute(_REPLACE_SESSION, values).rowcount:
                raise VersionConflictError(current_version=self._head(connection, before.id)["version"])
            connection.execute(
                "DELETE FROM turns WHERE session_id = ? AND position >= ?", (after.id, len(after.generated_token_ids))
            )
            _keep_turns(connection, after.id, () if turn is None else (turn,))

    def delete(self, session_id: str, *, answer: StoredAnswer | None = None) -> None:
        """Forget the session, its turns and its answers, but keep `answer`."""
        now = now_epoch_s(self._clock)
        with self._writing() as connection:
            _refuse_answered(connection, answer, now)
            session = session_from(self._head(connection, session_id))
            connection.erase("DELETE FROM answers WHERE scope = ?", (session_id,))
            if session.began_under is not None:
                connection.erase("DELETE FROM answers WHERE scope = ? AND key_hash = ?", session.began_under)
            connection.erase("DELETE FROM sessions WHERE id = ?", (session_id,))
            _keep_answer(connection, answer, now)

    def find_answer(self, scope: str, key_hash: str) -> StoredAnswer | None:
        """The live answer kept for an idempotency key."""
        with self._reading() as connection:
            return _live_answer(connection, scope, key_hash, now_epoch_s(self._clock))

    def check(self) -> None:
        """Read one row."""
        with self._reading() as connection:
            connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchone()

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("DEFERRED")

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("IMMEDIATE")

    def _head(self, connection: Connection, session_id: str) -> SessionRecord:
        row: Row | None = connection.execute(
            "SELECT * FROM sessions WHERE id = ? AND expires_at_epoch_s > ?", (session_id, now_epoch_s(self._clock))
        ).fetchone()
        if row is None:
            raise SessionNotFoundError
        return cast(SessionRecord, dict(row))


def _refuse_taken_id(connection: Connection, session_id: str) -> None:
    row: Row | None = connection.execute("SELECT version FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if row is not None:
        raise VersionConflictError(current_version=row["version"])


def _keep_turns(connection: Connection, session_id: str, turns: Sequence[Turn]) -> None:
    rows = [(session_id, turn.index, turn_text(turn)) for turn in turns]
    connection.executemany("INSERT INTO turns VALUES (?, ?, ?)", rows)


def _live_answer(connection: Connection, scope: str, key_hash: str, now: int) -> StoredAnswer | None:
    row: Row | None = connection.execute(
        "SELECT * FROM answers WHERE scope = ? AND key_hash = ? AND expires_at_epoch_s > ?", (scope, key_hash, now)
    ).fetchone()
    return None if row is None else StoredAnswer(**dict(row))


def _refuse_answered(connection: Connection, answer: StoredAnswer | None, now: int) -> None:
    if answer is not None and _live_answer(connection, answer.scope, answer.key_hash, now) is not None:
        raise AnswerExistsError


def _keep_answer(connection: Connection, answer: StoredAnswer | None, now: int) -> None:
    if answer is None:
        return
    connection.erase(_PRUNE_ANSWERS, (now,))
    _refuse_answered(connection, answer, now)
    row = (answer.scope, answer.key_hash, answer.fingerprint, answer.body, answer.expires_at_epoch_s)
    connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)
