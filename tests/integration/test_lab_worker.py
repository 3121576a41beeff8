"""Training runs across processes: killed workers, workers side by side, and the command that trains."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from handler.stores.folder_files import FolderFiles
from handler.stores.sqlite_lab import SqliteLabStore
from handler.wiring import utc_now
from tests.baked_models import make_baked_model
from tests.contract.lab_values import new_run, queued
from tests.lab_runs import MODEL_FILE, STEPS, forever, lab_worker, model_of

REPOSITORY = Path(__file__).parents[2]
LEASE_S = 0.6

WORKER = f"""
import os, signal, sys
from pathlib import Path
from handler.stores.folder_files import FolderFiles
from handler.stores.sqlite_lab import SqliteLabStore
from handler.wiring import utc_now
from model_layer.constitution.plan import Progress
from tests.lab_runs import forever, lab_worker
folder, run_id, kill_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def die(_, what):
    if isinstance(what, Progress) and what.step == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
store, files = SqliteLabStore(folder / "lab.sqlite3", clock=utc_now), FolderFiles(folder / "files")
print(lab_worker(store, files, folder, utc_now, announce=die, lease_s={LEASE_S}).work(run_id, seconds_left=forever))
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLabStore]:
    """An empty store."""
    with closing(SqliteLabStore(tmp_path / "lab.sqlite3", clock=utc_now)) as opened:
        yield opened


def work_in_a_process(folder: Path, run_id: str, *, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    """A worker in a process of its own, which kills itself at a step."""
    command = [sys.executable, "-c", WORKER, str(folder), run_id, str(kill_at)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_a_killed_worker_is_succeeded_by_another(store: SqliteLabStore, tmp_path: Path) -> None:
    """SIGKILL in the midst of a run, twice: whoever comes after the lease goes on from what was kept to the same model."""
    run = queued(store)
    for kill_at, kept in ((5, 3), (7, 6)):
        assert work_in_a_process(tmp_path, run.id, kill_at=kill_at).returncode == -signal.SIGKILL
        left = store.load(run.id)
        assert (left.status, left.result) == ("running", None)
        assert {one.step for one in left.curve} >= set(range(1, kept + 1))
        while not store.load(run.id).waits_at(utc_now()):
            time.sleep(0.02)
    files = FolderFiles(tmp_path / "files")
    assert lab_worker(store, files, tmp_path, utc_now).work(run.id, seconds_left=forever) == "succeeded"
    ended = store.load(run.id)
    assert ended.leases - run.leases == 3
    assert [one.step for one in ended.curve] == list(range(1, STEPS + 1))
    assert files.read(ended.result or "", MODEL_FILE) == model_of(run)
    assert [path.name for path in (tmp_path / "files" / run.id).iterdir()] == [(ended.result or "").split("/")[1]]
    assert list((tmp_path / "work").iterdir()) == []


def test_processes_side_by_side_make_one_model(store: SqliteLabStore, tmp_path: Path) -> None:
    """Given the same run at once, one works and the others leave it alone."""
    run = queued(store)
    with ThreadPoolExecutor(3) as threads:
        done = list(threads.map(lambda _: work_in_a_process(tmp_path, run.id), range(3)))
    assert [one.stderr for one in done] == [""] * 3
    assert sorted(one.stdout.strip() for one in done) == ["not_mine", "not_mine", "succeeded"]
    assert store.load(run.id).leases - run.leases == 1


def command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command that trains, on a data folder and one tiny model."""
    model = make_baked_model(folder / "models" / "tiny")
    variables = os.environ | {"DATA_FOLDER": str(folder / "data"), "MODELS_FOLDERS": "", "MODEL": str(model)} | environment
    return subprocess.run(
        [sys.executable, "-m", "handler.lab", *arguments],
        cwd=REPOSITORY,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_ends_when_nothing_waits(tmp_path: Path) -> None:
    """With --once, after it has said that a run came to nothing: its base has no probes."""
    with closing(SqliteLabStore(tmp_path / "data" / "lab.sqlite3", clock=utc_now)) as store:
        run = new_run(base="tiny", model_name="tiny-quick-demo-1f0c1f0c")
        store.create(run)
        done = command(tmp_path, "--once")
        assert (done.returncode, store.load(run.id).problem) == (0, "no_probe")
    assert done.stderr.splitlines()[-1] == "tiny-quick-demo-1f0c1f0c: failed"


def test_the_command_without_torch_says_what_to_run() -> None:
    """In one line, and before anything is opened."""
    program = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv = ['lab']; runpy.run_module('handler.lab', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "training needs torch, which is not installed here: run make run-lab\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_at_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """As a container or Ctrl-C ends it, with exit code 0."""
    model = make_baked_model(tmp_path / "models" / "tiny")
    variables = os.environ | {"DATA_FOLDER": str(tmp_path / "data"), "MODELS_FOLDERS": "", "MODEL": str(model)}
    with subprocess.Popen(
        [sys.executable, "-m", "handler.lab"], cwd=REPOSITORY, env=variables, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("ready")
        process.send_signal(number)
        assert process.wait(60) == 0
