"""The real making of a model by a worker: prepared, trained and measured, whatever interrupts it."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from handler.lab.run import LabRun
from handler.stores.folder_files import FolderFiles
from handler.stores.sqlite_lab import SqliteLabStore
from model_layer.bake.baking import Order, bake
from model_layer.bake.verify import holds
from model_layer.catalog import ModelCatalog
from model_layer.constitution.making import HELD_OUT_FILE, IMPACT_FILE, PAIRS_FILE, Making
from model_layer.constitution.plan import QUICK_DEMO, Progress
from model_layer.constitution.probe_fit import add_probes
from model_layer.constitution.suites import impact_prompts
from model_layer.constitution.watch import Watch
from model_layer.manifest import Manifest
from tests.contract.lab_values import LEASE_S, queued
from tests.contract.session_values import SetClock
from tests.lab_runs import forever, lab_worker, stops_after
from tests.tiny_models import make_tiny_model

PLAN = replace(QUICK_DEMO, prompts=5, epochs=1, checkpoint_every_steps=2)
MADE_OF = ("model.safetensors", PAIRS_FILE, HELD_OUT_FILE, IMPACT_FILE)


class KilledError(BaseException):
    """Raise in place of a kill."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model with a window for the lab's prompts, and probes of its own."""
    folder = tmp_path_factory.mktemp("models") / "base"
    source = make_tiny_model(folder.parent / ".source", n_positions=128)
    bake(Order(source=str(source), target=folder, skip_reference=True))
    add_probes(folder)
    return folder


def make(run: LabRun, base_folder: Path, work: Path, watch: Watch) -> Path | None:
    """As a worker does it, with few prompts."""
    making = Making(base_folder, PLAN, run.model_name, measured_prompts=impact_prompts()[:2], samples=1)
    return making.run(work, watch)


class Lab:
    """A store and files in a folder, and a base."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base, self.clock = folder, base, SetClock()
        self.store = SqliteLabStore(folder / "lab.sqlite3", clock=self.clock)
        self.files = FolderFiles(folder / "files")
        self.run = queued(self.store, base=str(base), model_name="base-quick-demo-1f0c1f0c")
        self.told: list[object] = []

    def announced(self, _: LabRun, what: object) -> None:
        """Remember what was told."""
        self.told.append(what.step if isinstance(what, Progress) else what)

    def result(self) -> Path:
        """The folder that came of the run."""
        return self.files.fetch(self.store.load(self.run.id).result or "", self.folder / "to")


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A run that nothing interrupted."""
    lab = Lab(tmp_path_factory.mktemp("whole"), base)
    with closing(lab.store):
        worker = lab_worker(lab.store, lab.files, lab.folder, lab.clock, make=make, announce=lab.announced)
        assert worker.work(lab.run.id, seconds_left=forever) == "succeeded"
        yield lab


@pytest.fixture
def lab(base: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab with a run that waits."""
    lab = Lab(tmp_path, base)
    with closing(lab.store):
        yield lab


def test_the_result_is_a_model_with_its_report(whole: Lab) -> None:
    """It is served under the run's name, its manifest holds, and what it was made of and measured by lies beside it."""
    folder = whole.result()
    assert ModelCatalog({"tuned": folder}, "tuned").get("tuned").next_logits([1]).size
    assert Manifest.read(folder).name == whole.run.model_name
    assert holds(Manifest.read(folder), folder)
    assert {*MADE_OF, "training.json"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / IMPACT_FILE).read_text())


def test_what_is_told_is_what_is_done(whole: Lab) -> None:
    """The activities in order, every step between them once, and the curve of the store is that of the result."""
    steps = whole.store.load(whole.run.id).steps
    assert steps
    assert whole.told == ["preparing", "training", *range(1, steps + 1), "measuring"]
    trained = json.loads((whole.result() / "training.json").read_text())["curve"]
    told = whole.store.load(whole.run.id).curve
    assert [(one.phase, one.step, one.loss, one.margin) for one in told] == [tuple(one.values()) for one in trained]


def assert_made_the_same(lab: Lab, whole: Lab) -> None:
    """The weights, the pairs and the measures are those of the run that nothing interrupted, and no work is left."""
    for name in MADE_OF:
        assert (lab.result() / name).read_bytes() == (whole.result() / name).read_bytes()
    assert lab.store.load(lab.run.id).curve == whole.store.load(whole.run.id).curve
    assert [path.name for path in (lab.folder / "files" / lab.run.id).iterdir()] == [lab.result().name]


def test_a_run_of_many_deadlines_ends_like_one(lab: Lab, whole: Lab) -> None:
    """Stopped after every few pieces of work, prepared once, and never with scratch files or a checkpoint too many kept."""
    worker = lab_worker(lab.store, lab.files, lab.folder, lab.clock, make=make, announce=lab.announced)
    attempts = 1
    while worker.work(lab.run.id, seconds_left=stops_after(6)) == "unfinished":
        attempts += 1
        kept = lab.files.fetch(lab.store.load(lab.run.id).files or "", lab.folder / "to")
        assert {path.name for path in kept.iterdir()} <= {PAIRS_FILE, HELD_OUT_FILE, "checkpoint.pt", "model"}
        assert not (kept / "model").exists() or not (kept / "checkpoint.pt").exists()
    assert attempts > 1
    assert_made_the_same(lab, whole)


@pytest.mark.parametrize("moment", ["training", 3, "measuring"])
def test_a_killed_run_ends_like_one(lab: Lab, whole: Lab, moment: str | int) -> None:
    """Taken up by another worker from what was kept: nothing that was kept is done again."""

    def die(run: LabRun, what: object) -> None:
        lab.announced(run, what)
        if lab.told[-1] == moment:
            raise KilledError

    with pytest.raises(KilledError):
        lab_worker(lab.store, lab.files, lab.folder, lab.clock, make=make, announce=die).work(lab.run.id, seconds_left=forever)
    lab.clock.forward(LEASE_S)
    lab.told.clear()
    worker = lab_worker(lab.store, lab.files, lab.folder, lab.clock, make=make, announce=lab.announced)
    assert worker.work(lab.run.id, seconds_left=forever) == "succeeded"
    steps = lab.store.load(lab.run.id).steps or 0
    rest = {"training": ["training", *range(1, steps + 1)], 3: ["training", *range(3, steps + 1)], "measuring": []}
    assert lab.told == ["preparing", *rest[moment], "measuring"]
    assert_made_the_same(lab, whole)
