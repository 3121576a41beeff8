"""A fine-tuning run that is stopped, by a deadline or a kill, and taken up again ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model_layer.constitution.checkpoint import CHECKPOINT_FILE
from model_layer.constitution.plan import Progress
from tests.baked_models import make_baked_model
from tests.fine_tuning import NAMES, PLAN, TRAINED, KilledError, Whole, curve, stops_after, training, weights, whole_run

REPOSITORY = Path(__file__).parents[2]
PHASE_STEPS = PLAN.steps(len(TRAINED))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model in float16."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run that nothing interrupted."""
    return whole_run(base, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_run_of_many_deadlines_ends_like_one(base: Path, whole: Whole, tmp_path: Path, pieces: int) -> None:
    """Stopped after every few pieces of work and taken up anew, the weights, the curve and the scores are the same."""
    report = None
    while report is None:
        assert not (tmp_path / "kinder").exists()
        report = training(base, tmp_path / "work", seconds_left=stops_after(pieces)).run(tmp_path / "kinder", **NAMES)
    assert weights(tmp_path / "kinder") == weights(whole.folder)
    assert curve(tmp_path / "kinder") == curve(whole.folder)
    assert report.steps == whole.report.steps


def test_no_time_at_all_loses_nothing(base: Path, tmp_path: Path) -> None:
    """Neither a fresh run nor a resumed one does any work, and the checkpoint stays as it is."""
    for pieces in (0, 4):
        assert training(base, tmp_path, seconds_left=stops_after(pieces)).run(tmp_path / "to", **NAMES) is None
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    assert training(base, tmp_path, seconds_left=lambda: 0.0).run(tmp_path / "to", **NAMES) is None
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before


def test_a_deadline_saves_steps_that_no_checkpoint_had(base: Path, tmp_path: Path) -> None:
    """Two steps are done, a checkpoint is due at the third: the next process begins with the third."""
    told: list[Progress] = []
    scored = 1  # piece of work, before the first step
    run = training(base, tmp_path, on_progress=told.append, seconds_left=stops_after(scored + 2))
    assert run.run(tmp_path / "kinder", **NAMES) is None
    assert training(base, tmp_path, on_progress=told.append).run(tmp_path / "kinder", **NAMES)
    assert [one.step for one in told] == list(range(1, 2 * PHASE_STEPS + 1))


@pytest.mark.parametrize("kill_at", range(1, 2 * PHASE_STEPS + 1))
def test_a_run_killed_at_any_step_ends_like_one(base: Path, whole: Whole, tmp_path: Path, kill_at: int) -> None:
    """It goes on from the last checkpoint, not from where it was."""

    def kill(progress: Progress) -> None:
        if progress.step == kill_at:
            raise KilledError

    with pytest.raises(KilledError):
        training(base, tmp_path / "work", on_progress=kill).run(tmp_path / "kinder", **NAMES)
    told: list[Progress] = []
    assert training(base, tmp_path / "work", on_progress=told.append).run(tmp_path / "kinder", **NAMES)
    assert told[0].step == kill_at // PLAN.checkpoint_every_steps * PLAN.checkpoint_every_steps + 1
    assert weights(tmp_path / "kinder") == weights(whole.folder)
    assert curve(tmp_path / "kinder") == curve(whole.folder)


KILLED_PROCESS = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[3]))
from tests.fine_tuning import NAMES, training
def die(progress):
    if progress.step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
training(Path(sys.argv[1]), Path(sys.argv[2]), on_progress=die).run(Path(sys.argv[2]) / "kinder", **NAMES)
"""


def test_a_killed_process_is_taken_up_by_another(base: Path, whole: Whole, tmp_path: Path) -> None:
    """SIGKILL in one process; this one ends the run with the same weights as if there had been no other."""
    command = [sys.executable, "-c", KILLED_PROCESS, str(base), str(tmp_path), str(torch.get_num_threads())]
    killed = subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert training(base, tmp_path).run(tmp_path / "kinder", **NAMES)
    assert weights(tmp_path / "kinder") == weights(whole.folder)
