"""A stand-in for the making of a model, as long and as resumable as the real one, and workers that use it."""

import json
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from handler.lab.attempt import Make
from handler.lab.run import Clock, LabFiles, LabRun, LabStore
from handler.lab.worker import LabWorker
from model_layer.constitution.plan import Progress
from model_layer.constitution.watch import Watch
from tests.lab_places import Opened

STEPS, KEPT_EVERY = 8, 3
STATE_FILE, SCRATCH_FILE, MODEL_FILE = "state.json", "scratch", "model.json"


def make_in_steps(run: LabRun, base_folder: Path, work: Path, watch: Watch) -> Path | None:
    """Step by step to a folder that is decided by the run and by every step; kept every few steps, and when time runs out."""
    watch.activity("preparing")
    state: list[int] = json.loads((work / STATE_FILE).read_text()) if (work / STATE_FILE).exists() else []
    watch.activity("training")
    while len(state) < STEPS:
        if watch.seconds_left() <= 0:
            keep(work, state, watch)
            return None
        state.append(len(state) + 1)
        if len(state) % KEPT_EVERY == 0:
            keep(work, state, watch)
        watch.progress(progress(len(state)))
    watch.activity("measuring")
    (work / "model").mkdir(exist_ok=True)
    (work / "model" / MODEL_FILE).write_text(json.dumps([run.model_name, base_folder.name, state]))
    return work / "model"


def keep(work: Path, state: list[int], watch: Watch) -> None:
    """Write what there is, and let it be kept."""
    (work / STATE_FILE).write_text(json.dumps(state))
    watch.kept()


def progress(step: int) -> Progress:
    """A step whose numbers follow from its place: half of them are SFT."""
    is_sft = step <= STEPS // 2
    return Progress("sft" if is_sft else "dpo", step, STEPS, 1 / step, None if is_sft else step / 10, float(STEPS - step))


def model_of(run: LabRun) -> bytes:
    """The file that comes of a run."""
    return json.dumps([run.model_name, run.base, list(range(1, STEPS + 1))]).encode()


def stops_after(pieces: int) -> Callable[[], float]:
    """A clock that has time for so many pieces of work and then none."""
    left: Iterator[float] = chain(repeat(float("inf"), pieces), repeat(0.0))
    return lambda: next(left)


def forever() -> float:
    """All the time in the world."""
    return float("inf")


def lab_worker(
    store: LabStore, files: LabFiles, folder: Path, clock: Clock, *, make: Make = make_in_steps, **changes: Any
) -> LabWorker:
    """A worker whose working folders lie in `folder`."""
    options: dict[str, Any] = {"lease_s": 60.0, "report": raised} | changes
    return LabWorker(store, files, Path, clock=clock, work_root=folder / "work", make=make, **options)


def raised(error: Exception) -> None:
    """Hear of no failure that a test does not expect."""
    raise error


def assert_succeeded(store: LabStore, place: Opened, run: LabRun, folder: Path) -> None:
    """The run has its model and its whole curve, and nothing else of it is left anywhere."""
    ended = store.load(run.id)
    assert (ended.status, ended.activity, ended.files, ended.problem) == ("succeeded", "done", None, None)
    assert (ended.step, ended.steps) == (STEPS, STEPS)
    expected = [progress(step) for step in range(1, STEPS + 1)]
    assert [(one.phase, one.step, one.loss, one.margin) for one in ended.curve] == [
        (one.phase, one.step, one.loss, one.margin) for one in expected
    ]
    assert ended.result == f"{run.id}/model-{ended.fence}"
    assert place.files.read(ended.result, MODEL_FILE) == model_of(run)
    assert all(f"{ended.result}/" in name for name in place.names())
    assert list((folder / "work").iterdir()) == []
