"""Training runs in one SQLite file: durable, atomic, and safe for many threads and processes."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from sqlite3 import Row
from typing import Any

from handler.lab.errors import LeaseLostError, RunNotFoundError
from handler.lab.run import Advance, LabRun, Point, RunExistsError
from handler.stores.codec import Clock
from handler.stores.lab_codec import ENDED, RELEASED, point_text, run_from, run_record, told_record
from handler.stores.sqlite_file import Connection, SqliteFile

_SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY,
    base TEXT NOT NULL,
    plan TEXT NOT NULL,
    model_name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status TEXT NOT NULL,
    activity TEXT NOT NULL,
    fence INTEGER NOT NULL,
    leased_until_epoch_s REAL NOT NULL,
    step INTEGER NOT NULL,
    steps INTEGER,
    eta_s TEXT,
    files TEXT,
    result TEXT,
    problem TEXT
);
CREATE TABLE IF NOT EXISTS points (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    point TEXT NOT NULL,
    PRIMARY KEY (run_id, step)
);
"""
_INSERT = """
INSERT INTO runs VALUES (:id, :base, :plan, :model_name, :created_at, :fingerprint, :status, :activity, :fence,
                         :leased_until_epoch_s, :step, :steps, :eta_s, :files, :result, :problem)
ON CONFLICT (id) DO NOTHING
"""
_LEASE = """
UPDATE runs SET status = 'running', fence = fence + 1, leased_until_epoch_s = :until
WHERE id = :id AND (status = 'queued' OR (status = 'running' AND leased_until_epoch_s <= :now))
"""
_INSERT_POINT = """
INSERT INTO points SELECT :run_id, :step, :point
WHERE NOT EXISTS (SELECT 1 FROM points WHERE run_id = :run_id AND step >= :step)
"""


class SqliteLabStore:
    """A `LabStore` in the file at `path`, which is made, with its folder, on first use."""

    def __init__(self, path: Path, *, clock: Clock, busy_timeout_s: float = 5.0) -> None:
        """A write that waits longer than `busy_timeout_s` for other writers raises StoreUnavailableError."""
        self._file = SqliteFile(path, _TABLES, version=_SCHEMA_VERSION, busy_timeout_s=busy_timeout_s)
        self._clock = clock

    def close(self) -> None:
        """Close the file. The store opens it again when it is used again."""
        self._file.close()

    def create(self, run: LabRun) -> None:
        """Keep a new run."""
        with self._writing() as connection:
            if not connection.execute(_INSERT, run_record(run)).rowcount:
                raise RunExistsError
            _add(connection, run.id, run.curve)

    def load(self, run_id: str) -> LabRun:
        """The run."""
        with self._reading() as connection:
            return _run(connection, run_id)

    def all(self) -> list[LabRun]:
        """All runs, the newest first, without their curves."""
        with self._reading() as connection:
            runs = [run_from(dict(row)) for row in connection.execute("SELECT * FROM runs")]
        return sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)

    def lease(self, run_id: str, *, until_epoch_s: float) -> LabRun | None:
        """The run under a new fence, unless another lease holds or it has ended."""
        values = {"id": run_id, "until": until_epoch_s, "now": self._clock().timestamp()}
        with self._writing() as connection:
            is_leased = connection.execute(_LEASE, values).rowcount == 1
            run = _run(connection, run_id)
        return run if is_leased else None

    def advance(self, run_id: str, fence: int, told: Advance, *, until_epoch_s: float) -> None:
        """Keep what is told, and renew the lease."""
        with self._writing() as connection:
            _change(connection, run_id, fence, {**told_record(told), "leased_until_epoch_s": until_epoch_s})
            _add(connection, run_id, told.points)

    def release(self, run_id: str, fence: int) -> None:
        """End the lease."""
        with self._writing() as connection:
            _change(connection, run_id, fence, RELEASED)

    def succeed(self, run_id: str, fence: int, result: str) -> None:
        """End the run with its result."""
        with self._writing() as connection:
            _change(connection, run_id, fence, {**ENDED, "status": "succeeded", "result": result})

    def fail(self, run_id: str, fence: int, problem: str) -> None:
        """End the run with a problem."""
        with self._writing() as connection:
            _change(connection, run_id, fence, {**ENDED, "status": "failed", "problem": problem})

    def remove(self, run_id: str) -> LabRun:
        """Remove the run, and with it its points."""
        with self._writing() as connection:
            run = _run(connection, run_id)
            connection.erase("DELETE FROM runs WHERE id = ?", (run_id,))
        return run

    def check(self) -> None:
        """Read one row."""
        with self._reading() as connection:
            connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone()

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("DEFERRED")

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("IMMEDIATE")


def _run(connection: Connection, run_id: str) -> LabRun:
    row: Row | None = connection.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunNotFoundError
    points = connection.execute("SELECT point FROM points WHERE run_id = ? ORDER BY step", (run_id,))
    return run_from(dict(row), [point["point"] for point in points])


def _change(connection: Connection, run_id: str, fence: int, changes: Mapping[str, Any]) -> None:
    """Change these columns, whose names are ours, of a run that is at work under this fence."""
    columns = ", ".join(f"{name} = :{name}" for name in changes)
    statement = f"UPDATE runs SET {columns} WHERE id = :run_id AND fence = :fence AND status = 'running'"  # noqa: S608 - as above
    if not connection.execute(statement, {**changes, "run_id": run_id, "fence": fence}).rowcount:
        raise LeaseLostError


def _add(connection: Connection, run_id: str, points: Sequence[Point]) -> None:
    """Add those points that lie beyond the last."""
    rows = [{"run_id": run_id, "step": point.step, "point": point_text(point)} for point in points]
    connection.executemany(_INSERT_POINT, rows)
