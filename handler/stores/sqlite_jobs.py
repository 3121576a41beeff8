"""Jobs in one SQLite file: durable, atomic, and safe for many threads and processes.

Expiry is a condition of every statement; jobs that expired are removed a few at a time, when others are added.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from sqlite3 import Row

from handler.jobs.job import Job, JobExistsError, TaskResult
from handler.stores.codec import Clock, job_from, job_record, now_epoch_s
from handler.stores.sqlite_file import Connection, SqliteFile
from handler.wheel.errors import JobCancelledError, JobNotFoundError

_SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    model_name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at_epoch_s INTEGER NOT NULL,
    seed TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    name TEXT,
    source TEXT,
    version TEXT,
    output TEXT,
    total INTEGER,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS tasks (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    runs_alone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, position)
);
CREATE TABLE IF NOT EXISTS results (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    given_up INTEGER NOT NULL,
    PRIMARY KEY (job_id, position)
);
CREATE INDEX IF NOT EXISTS jobs_by_expiry ON jobs (expires_at_epoch_s);
"""
_INSERT_JOB = """
INSERT INTO jobs VALUES (:id, :model_name, :created_at, :expires_at_epoch_s, :seed, :fingerprint, :name, :source, :version,
                         :output, :total, :done, :failed, :enqueued, :cancelled)
ON CONFLICT (id) DO NOTHING
"""
_INSERT_TASK = "INSERT INTO tasks (job_id, position, body) VALUES (?, ?, ?) ON CONFLICT (job_id, position) DO NOTHING"
_INSERT_RESULT = "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (job_id, position) DO NOTHING"
_BEGIN_ALONE = "UPDATE tasks SET runs_alone = runs_alone + 1 WHERE job_id = ? AND position = ? RETURNING runs_alone"
# Two for each job that is added: old ones go faster than new ones come, and no request waits long for it.
_PRUNE = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE expires_at_epoch_s <= ? LIMIT 2)"
_CANCEL = "UPDATE jobs SET cancelled = 1 WHERE id = ? AND (total IS NULL OR done + failed < total)"


class SqliteJobStore:
    """A `JobStore` in the file at `path`, which is made, with its folder, on first use."""

    def __init__(self, path: Path, *, clock: Clock, busy_timeout_s: float = 5.0) -> None:
        """A write that waits longer than `busy_timeout_s` for other writers raises StoreUnavailableError."""
        self._file = SqliteFile(path, _TABLES, version=_SCHEMA_VERSION, busy_timeout_s=busy_timeout_s)
        self._clock = clock

    def close(self) -> None:
        """Close the file. The store opens it again when it is used again."""
        self._file.close()

    def create(self, job: Job, tasks: Sequence[str] = ()) -> None:
        """Keep a new job and its tasks."""
        now = now_epoch_s(self._clock)
        with self._writing() as connection:
            connection.erase(_PRUNE, (now,))
            connection.erase("DELETE FROM jobs WHERE id = ? AND expires_at_epoch_s <= ?", (job.id, now))
            if not connection.execute(_INSERT_JOB, job_record(job)).rowcount:
                raise JobExistsError
            _keep_tasks(connection, job.id, dict(enumerate(tasks)))

    def load(self, job_id: str) -> Job:
        """The job's head."""
        with self._reading() as connection:
            return self._head(connection, job_id)

    def add_tasks(self, job_id: str, tasks: Mapping[int, str]) -> None:
        """Keep tasks by index."""
        with self._writing() as connection:
            self._head(connection, job_id)
            _keep_tasks(connection, job_id, tasks)

    def begin(self, job: Job, *, total: int | None) -> None:
        """Note that all messages have been sent. A total of None leaves one that is known already."""
        with self._writing() as connection:
            self._same(connection, job)
            connection.execute("UPDATE jobs SET enqueued = 1, total = COALESCE(?, total) WHERE id = ?", (total, job.id))

    def tasks(self, job_id: str, indices: Collection[int]) -> dict[int, str]:
        """The tasks of these indices."""
        with self._reading() as connection:
            self._head(connection, job_id)
            rows = connection.execute(
                "SELECT position, body FROM tasks WHERE job_id = ? AND position IN (SELECT value FROM json_each(?))",
                (job_id, json.dumps(list(indices))),
            )
            return {row["position"]: row["body"] for row in rows}

    def keep(self, job: Job, results: Sequence[TaskResult]) -> None:
        """Keep the results of tasks that have none, and count their requests."""
        with self._writing() as connection:
            if self._same(connection, job).cancelled:
                raise JobCancelledError
            new = [result for result in results if _is_kept_first(connection, job.id, result)]
            done, failed = sum(result.done for result in new), sum(result.failed for result in new)
            connection.execute("UPDATE jobs SET done = done + ?, failed = failed + ? WHERE id = ?", (done, failed, job.id))

    def kept(self, job_id: str, indices: Collection[int]) -> dict[int, bool]:
        """Which of these tasks have a result, and whether they were given up."""
        with self._reading() as connection:
            self._head(connection, job_id)
            rows = connection.execute(
                "SELECT position, given_up FROM results WHERE job_id = ? AND position IN (SELECT value FROM json_each(?))",
                (job_id, json.dumps(list(indices))),
            )
            return {row["position"]: bool(row["given_up"]) for row in rows}

    def begin_alone(self, job: Job, index: int) -> int:
        """Note that a task is about to be run alone. Raises JobNotFoundError also when there is no such task."""
        with self._writing() as connection:
            self._same(connection, job)
            row: Row | None = connection.execute(_BEGIN_ALONE, (job.id, index)).fetchone()
            if row is None:
                raise JobNotFoundError
            return int(row["runs_alone"])

    def results(self, job_id: str, *, after: int = -1, limit: int) -> list[TaskResult]:
        """Up to `limit` results of tasks beyond `after`, by index."""
        with self._reading() as connection:
            self._head(connection, job_id)
            rows = connection.execute(
                "SELECT * FROM results WHERE job_id = ? AND position > ? ORDER BY position LIMIT ?", (job_id, after, limit)
            )
            return [_result(row) for row in rows]

    def cancel(self, job_id: str) -> Job:
        """The job, cancelled unless it was complete."""
        with self._writing() as connection:
            self._head(connection, job_id)
            connection.execute(_CANCEL, (job_id,))
            return self._head(connection, job_id)

    def forget(self, job_id: str) -> None:
        """Remove the job, and by that its tasks and results."""
        with self._writing() as connection:
            self._head(connection, job_id)
            connection.erase("DELETE FROM jobs WHERE id = ?", (job_id,))

    def check(self) -> None:
        """Read one row."""
        with self._reading() as connection:
            connection.execute("SELECT 1 FROM jobs LIMIT 1").fetchone()

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("DEFERRED")

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._file.transaction("IMMEDIATE")

    def _head(self, connection: Connection, job_id: str) -> Job:
        row: Row | None = connection.execute(
            "SELECT * FROM jobs WHERE id = ? AND expires_at_epoch_s > ?", (job_id, now_epoch_s(self._clock))
        ).fetchone()
        if row is None:
            raise JobNotFoundError
        return job_from(dict(row))

    def _same(self, connection: Connection, job: Job) -> Job:
        """The job as it is now, if it still is this one."""
        found = self._head(connection, job.id)
        if found.seed != job.seed:
            raise JobNotFoundError
        return found


def _keep_tasks(connection: Connection, job_id: str, tasks: Mapping[int, str]) -> None:
    connection.executemany(_INSERT_TASK, [(job_id, index, body) for index, body in tasks.items()])


def _is_kept_first(connection: Connection, job_id: str, result: TaskResult) -> bool:
    """Keep the result unless its task has one."""
    row = (job_id, result.index, result.body, result.done, result.failed, int(result.given_up))
    return connection.execute(_INSERT_RESULT, row).rowcount == 1


def _result(row: Row) -> TaskResult:
    return TaskResult(row["position"], row["body"], row["done"], row["failed"], bool(row["given_up"]))
