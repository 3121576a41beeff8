"""The SQLite store of jobs among threads and processes, and what it removes by itself."""

import os
import random
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from handler.jobs.job import TaskResult
from handler.stores.sqlite_jobs import SqliteJobStore
from handler.wheel.errors import StoreUnavailableError
from tests.contract.job_values import LIFETIME_S, assert_counted, made, new_job, result
from tests.contract.session_values import NOON, SetClock

ROOT = Path(__file__).parents[2]
KEEPER = """
import sys
from datetime import datetime
from pathlib import Path
from handler.jobs.job import TaskResult
from handler.stores.sqlite_jobs import SqliteJobStore

path, job_id, now, step = sys.argv[1:]
store = SqliteJobStore(Path(path), clock=lambda: datetime.fromisoformat(now), busy_timeout_s=60)
job = store.load(job_id)
order = [number * int(step) % 80 for number in range(85)]
for start in range(0, 80, 3):
    store.keep(job, [TaskResult(index, str(index)) for index in order[start:start + 5]])
    print(start, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "jobs.sqlite3"


def test_expired_jobs_are_pruned(path: Path, clock: SetClock) -> None:
    """Jobs that are added to the file remove expired ones with their tasks and results, and nothing that is live."""
    with closing(SqliteJobStore(path, clock=clock)) as store:
        expired = [made(store) for _ in range(4)]
        store.keep(expired[0], [result(0)])
        clock.forward(LIFETIME_S)
        for _ in range(2):
            store.create(replace(new_job(), expires_at_epoch_s=expired[0].expires_at_epoch_s + LIFETIME_S), ["live"])
    with closing(sqlite3.connect(path)) as file:
        counts = [file.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("jobs", "tasks", "results")]
    assert counts == [2, 2, 0]


def test_only_the_owner_reads_the_file(path: Path, clock: SetClock) -> None:
    """The file and what SQLite puts beside it hold students' text: mode 0600, whatever the umask."""
    umask = os.umask(0)
    try:
        with closing(SqliteJobStore(path, clock=clock)) as store:
            made(store)
            modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys([path.name, f"{path.name}-wal", f"{path.name}-shm"], 0o600)


def test_locked_file_is_unavailable(path: Path, clock: SetClock) -> None:
    """A write that waits longer than the busy timeout is StoreUnavailableError and keeps nothing; reads go on."""
    with closing(SqliteJobStore(path, clock=clock, busy_timeout_s=0.05)) as store:
        job = made(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError):
                store.keep(job, [result(0)])
            assert_counted(store, job, [])
        store.keep(job, [result(0)])
        assert_counted(store, job, [result(0)])


def test_jobs_outlive_the_process(path: Path, clock: SetClock) -> None:
    """A store that was closed and opened again has what was kept."""
    with closing(SqliteJobStore(path, clock=clock)) as store:
        job = made(store)
        store.keep(job, [result(0)])
    with closing(SqliteJobStore(path, clock=clock)) as again:
        assert_counted(again, job, [result(0)])


def test_threads_count_each_task_once(path: Path, clock: SetClock) -> None:
    """Threads that keep overlapping sets, some on one store and some on their own, count each task once."""
    job = new_job(total=60)
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(SqliteJobStore(path, clock=clock, busy_timeout_s=60))) for _ in range(3)]
        stores[0].create(job)

        def keep_all(number: int) -> None:
            order = random.Random(number).sample(range(60), 60)
            for start in range(0, 60, 4):
                stores[number % 3].keep(job, [result(index, done=index % 3) for index in order[start : start + 6]])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(keep_all, range(6)))
        assert_counted(stores[1], job, [result(index, done=index % 3) for index in range(60)])


def keeper(path: Path, job_id: str, *, step: int) -> subprocess.Popen[str]:
    """A process that keeps results for tasks 0 to 79, five at a time of which two overlap, and then waits."""
    arguments = [sys.executable, "-c", KEEPER, str(path), job_id, NOON.isoformat(), str(step)]
    return subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_count_each_task_once(path: Path, clock: SetClock) -> None:
    """Processes that keep overlapping sets count each task once, although one of them is killed amid its work."""
    with closing(SqliteJobStore(path, clock=clock)) as store:
        job = made(store, total=80)
        processes = [keeper(path, job.id, step=step) for step in (1, 3, 79)]
        assert processes[1].stdout is not None
        processes[1].stdout.readline()
        processes[1].kill()
        for process in processes:
            process.communicate(timeout=120)
        assert [process.returncode for process in processes] == [0, -9, 0]
        assert_counted(store, job, [TaskResult(index, str(index)) for index in range(80)])
