"""The SQLite store among real processes, and when its file does not answer."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from handler.stores.sqlite import SqliteSessionStore
from handler.stores.sqlite_file import SqliteFile
from handler.wheel.errors import StoreUnavailableError
from handler.wheel.session import NEW_SESSIONS_SCOPE, Session
from tests.contract.session_values import IDLE_S, SetClock, appended, new_answer, new_session, new_turn

ROOT = Path(__file__).parents[2]
WRITERS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be, in a folder that is not there yet."""
    return tmp_path / "data" / "sessions.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteSessionStore]:
    """A store that waits long, since many write."""
    with closing(SqliteSessionStore(path, clock=SetClock(), busy_timeout_s=60)) as opened:
        yield opened


def writer(path: Path, session: Session, *, first_token: int, turns: int, keyed: bool = False) -> subprocess.Popen[str]:
    """A process that commits turns to the session."""
    arguments = [str(path), session.id, str(first_token), str(turns), *(["--keyed"] if keyed else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.session_writer", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def acknowledged(process: subprocess.Popen[str]) -> list[int]:
    """The tokens a writer was told are kept, once it has ended well."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return [int(line) for line in output.split()]


def assert_consistent(store: SqliteSessionStore, session_id: str) -> Session:
    """Head and turns tell the same story; gives the head."""
    session = store.load(session_id)
    turns = store.turns(session_id, start=0, stop=10_000)
    assert [turn.index for turn in turns] == list(range(len(turns)))
    assert tuple(turn.token_id for turn in turns) == session.generated_token_ids
    assert session.version == len(turns)
    return session


def test_no_turn_is_lost_among_processes(store: SqliteSessionStore, path: Path) -> None:
    """Of four processes that append to one session, every acknowledged turn is kept once, each writer's in its order."""
    session = new_session()
    store.create(session)
    processes = [writer(path, session, first_token=1000 * number, turns=30) for number in range(WRITERS)]
    told = [acknowledged(process) for process in processes]
    kept = assert_consistent(store, session.id).generated_token_ids
    assert sorted(kept) == sorted(token for tokens in told for token in tokens)
    assert len(kept) == WRITERS * 30
    assert [[token for token in kept if token // 1000 == number] for number in range(WRITERS)] == told


def test_one_turn_for_one_key_among_processes(store: SqliteSessionStore, path: Path) -> None:
    """Of four processes that send the same twenty keys, exactly one turn is kept for each key."""
    session = new_session()
    store.create(session)
    processes = [writer(path, session, first_token=1000 * number, turns=20, keyed=True) for number in range(WRITERS)]
    told = [token for process in processes for token in acknowledged(process)]
    kept = assert_consistent(store, session.id).generated_token_ids
    assert sorted(kept) == sorted(told)
    assert sorted(token % 1000 for token in kept) == list(range(20))


@pytest.mark.parametrize("turns_before_the_kill", [1, 17, 60])
def test_killed_writer_leaves_a_whole_session(store: SqliteSessionStore, path: Path, turns_before_the_kill: int) -> None:
    """After a writer was killed amid its commits, head and turns agree, and nothing acknowledged is missing."""
    session = new_session()
    store.create(session)
    process = writer(path, session, first_token=0, turns=100_000)
    with process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(turns_before_the_kill)]
        process.kill()
        told += [int(line) for line in process.stdout.read().split("\n") if line]
    before = assert_consistent(store, session.id)
    assert before.generated_token_ids[: len(told)] == tuple(told)
    assert len(before.generated_token_ids) - len(told) <= 1
    after, turn = appended(before, 5)
    store.commit(before, after, turn=turn)
    assert assert_consistent(store, session.id) == after


def test_commit_that_never_ended_left_nothing(store: SqliteSessionStore, path: Path) -> None:
    """A process that dies between its statements and its COMMIT has changed nothing."""
    session = new_session()
    store.create(session)
    code = (
        "import os, signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); c.execute('UPDATE sessions SET version = 99');"
        "c.execute('INSERT INTO turns VALUES (?, 0, ?)', (sys.argv[2], '{}')); os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(path), session.id], check=False)
    assert died.returncode == -9
    assert assert_consistent(store, session.id) == session


def test_acknowledged_turns_are_synced(path: Path) -> None:
    """Every connection syncs each commit to disk: write-ahead journal and synchronous = FULL."""
    with closing(SqliteFile(path, "", version=1, busy_timeout_s=1)) as file, file.transaction("IMMEDIATE") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_locked_file_is_unavailable(path: Path) -> None:
    """A write that waits longer than the busy timeout is StoreUnavailableError; reads go on, and so do later writes."""
    session = new_session()
    after, turn = appended(session, 1)
    with closing(SqliteSessionStore(path, clock=SetClock(), busy_timeout_s=0.05)) as store:
        store.create(session)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError):
                store.commit(session, after, turn=turn)
            assert store.load(session.id) == session
        store.commit(session, after, turn=turn)
        assert store.load(session.id) == after


def test_impossible_path_is_unavailable(tmp_path: Path) -> None:
    """Where no file can be made, every method raises StoreUnavailableError."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "sessions.db", tmp_path):
        store = SqliteSessionStore(path, clock=SetClock())
        for use in (store.check, lambda store=store: store.load("x"), lambda store=store: store.create(new_session())):
            with pytest.raises(StoreUnavailableError):
                use()


def test_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """A file of another kind is StoreUnavailableError, and is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(StoreUnavailableError):
        SqliteSessionStore(path, clock=SetClock()).create(new_session())
    assert path.read_text() == "not a database, " * 100


def test_sessions_outlive_the_process(path: Path) -> None:
    """A store that was closed and opened again has what was kept."""
    session, turn = appended(new_session(), 3)
    for again in (False, True):
        with closing(SqliteSessionStore(path, clock=SetClock())) as store:
            if not again:
                store.create(session, [turn])
            assert store.load(session.id) == session
            assert store.turns(session.id, start=0, stop=9) == [turn]


def test_expired_answers_are_pruned_by_commits(path: Path) -> None:
    """A session that keeps one answer after another does not pile them up: each makes room by removing expired ones."""
    clock = SetClock()
    session = new_session()
    with closing(SqliteSessionStore(path, clock=clock)) as store:
        store.create(session)
        for number in range(12):
            clock.forward(1)
            before, (session, turn) = session, appended(session, 1)
            store.commit(before, session, turn=turn, answer=new_answer(session.id, f"{number}", expires_in_s=number + 2))
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT COUNT(*) FROM answers").fetchone()[0] == 1


def test_only_the_owner_reads_the_file(path: Path) -> None:
    """The file and what SQLite puts beside it hold students' text: mode 0600, whatever the umask."""
    umask = os.umask(0)
    try:
        with closing(SqliteSessionStore(path, clock=SetClock())) as store:
            store.create(new_session())
            modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(["sessions.db", "sessions.db-wal", "sessions.db-shm"], 0o600)


def test_tables_of_another_version_are_left_alone(store: SqliteSessionStore, path: Path) -> None:
    """A file that a newer program has written is refused, and keeps its version."""
    store.check()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")
    with closing(SqliteSessionStore(path, clock=SetClock())) as older, pytest.raises(StoreUnavailableError):
        older.create(new_session())
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone()[0] == 99


def test_expired_rows_are_pruned(path: Path) -> None:
    """Creating sessions removes expired ones, their turns and expired answers, and nothing that is live."""
    clock = SetClock()
    with closing(SqliteSessionStore(path, clock=clock)) as store:
        for number in range(10):
            store.create(new_session(), [new_turn(0, 1)], new_answer(NEW_SESSIONS_SCOPE, f"old {number}", expires_in_s=1))
        clock.forward(IDLE_S)
        for _ in range(2):
            store.create(new_session(now=clock.now), [new_turn(0, 1)])
    with closing(sqlite3.connect(path)) as file:
        counts = [file.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("sessions", "turns", "answers")]
    assert counts == [2, 2, 0]
