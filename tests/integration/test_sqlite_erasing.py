"""What is deleted from a SQLite store is nowhere on the disk, while the store and others have the file open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from handler.jobs.job import Job
from handler.stores.sqlite import SqliteSessionStore
from handler.stores.sqlite_file import SqliteFile
from handler.stores.sqlite_jobs import SqliteJobStore
from handler.wheel.session import NEW_SESSIONS_SCOPE
from tests.contract.job_values import LIFETIME_S, new_job, result
from tests.contract.session_values import IDLE_S, SetClock, appended, new_answer, new_session

SECRET = "a secret that lies nowhere"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "data.sqlite3"


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture
def jobs(path: Path, clock: SetClock) -> Iterator[SqliteJobStore]:
    """A store of jobs, which stays open."""
    with closing(SqliteJobStore(path, clock=clock, busy_timeout_s=60)) as opened:
        yield opened


@pytest.fixture
def sessions(path: Path, clock: SetClock) -> Iterator[SqliteSessionStore]:
    """A store of sessions, which stays open."""
    with closing(SqliteSessionStore(path, clock=clock, busy_timeout_s=60)) as opened:
        yield opened


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection, as another process has it, which begins to read when it is told to."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def read(connection: sqlite3.Connection) -> None:
    """Begin a transaction that reads."""
    connection.execute("BEGIN")
    connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()


def lies_in(folder: Path) -> set[str]:
    """The ends of the names of the files that hold the secret, none of which is closed for this."""
    return {file.name.removeprefix("data.sqlite3") for file in folder.iterdir() if SECRET.encode() in file.read_bytes()}


def keep_job(jobs: SqliteJobStore) -> Job:
    """A job full of the secret, of which the file and its journal hold a part each."""
    job = replace(new_job(), name=SECRET)
    jobs.create(job, [SECRET] * 200)
    for index in range(200):
        jobs.keep(job, [result(index, SECRET)])
    return job


def test_forgotten_job_lies_nowhere(jobs: SqliteJobStore, other: sqlite3.Connection, path: Path) -> None:
    """As soon as a job is forgotten, neither the file nor its journal holds its text, while others have the file open."""
    job = keep_job(jobs)
    read(other)
    other.execute("ROLLBACK")
    assert "-wal" in lies_in(path.parent)
    jobs.forget(job.id)
    assert lies_in(path.parent) == set()


def test_deleted_session_lies_nowhere(sessions: SqliteSessionStore, path: Path) -> None:
    """As soon as a session is deleted, neither the file nor its journal holds its answers."""
    session = new_session()
    sessions.create(session, answer=new_answer(NEW_SESSIONS_SCOPE, "1", body=SECRET))
    began = replace(session, began_under=(NEW_SESSIONS_SCOPE, "1"), version=1)
    sessions.commit(session, began, answer=new_answer(session.id, "2", body=SECRET))
    assert "-wal" in lies_in(path.parent)
    sessions.delete(session.id, answer=new_answer(session.id, "3"))
    assert lies_in(path.parent) == set()


def test_expired_job_lies_nowhere_once_it_is_pruned(jobs: SqliteJobStore, clock: SetClock, path: Path) -> None:
    """The job that makes room by removing an expired one leaves no copy of it."""
    keep_job(jobs)
    clock.forward(LIFETIME_S)
    jobs.create(new_job())
    assert lies_in(path.parent) == set()


@pytest.mark.parametrize("by", ["create", "commit"])
def test_expired_answer_lies_nowhere_once_it_is_pruned(
    sessions: SqliteSessionStore, clock: SetClock, path: Path, by: str
) -> None:
    """What makes room by removing an expired answer leaves no copy of it."""
    session = new_session()
    sessions.create(session, answer=new_answer(session.id, "1", body=SECRET, expires_in_s=60))
    clock.forward(60)
    assert lies_in(path.parent)
    if by == "create":
        sessions.create(new_session())
    else:
        after, turn = appended(session, 1)
        sessions.commit(session, after, turn=turn, answer=new_answer(session.id, "2"))
    assert lies_in(path.parent) == set()


def test_expired_session_lies_nowhere_once_it_is_pruned(sessions: SqliteSessionStore, clock: SetClock, path: Path) -> None:
    """The session that makes room by removing an expired one leaves no copy of it."""
    sessions.create(replace(new_session(), began_under=(NEW_SESSIONS_SCOPE, SECRET)))
    assert lies_in(path.parent)
    clock.forward(IDLE_S)
    sessions.create(new_session(now=clock.now))
    assert lies_in(path.parent) == set()


def test_who_reads_is_not_waited_for(jobs: SqliteJobStore, other: sqlite3.Connection, path: Path) -> None:
    """While another still reads what was there, a forget ends none the less; the first use after that leaves no copy."""
    job = keep_job(jobs)
    read(other)
    jobs.forget(job.id)
    jobs.check()
    assert "-wal" in lies_in(path.parent)
    other.execute("ROLLBACK")
    jobs.check()
    assert lies_in(path.parent) == set()


def test_transactions_after_an_erasing_one_wait_as_before(path: Path, other: sqlite3.Connection) -> None:
    """That nobody is waited for when the journal is emptied holds for that alone, whether it could be or not."""
    with closing(SqliteFile(path, "CREATE TABLE notes (body TEXT);", version=1, busy_timeout_s=7)) as file:
        for reads in (True, False):
            with file.transaction("IMMEDIATE") as connection:
                connection.execute("INSERT INTO notes VALUES (?)", (SECRET,))
            if reads:
                read(other)
            with file.transaction("IMMEDIATE") as connection:
                assert connection.erase("DELETE FROM notes", ()) == 1
            if reads:
                other.execute("ROLLBACK")
            with file.transaction("DEFERRED") as connection:
                assert connection.execute("PRAGMA busy_timeout").fetchone()[0] == 7000
        assert lies_in(path.parent) == set()
