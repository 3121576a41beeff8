"""A worker of training runs: what it keeps, what it goes on from, and what it never writes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handler.lab.run import LabFiles, LabRun, LabStore
from handler.lab.telling import DivergedError
from handler.lab.worker import MOST_LEASES
from model_layer.constitution.errors import NoProbeError, NothingToLearnError
from model_layer.constitution.plan import Progress
from model_layer.constitution.watch import Watch
from model_layer.errors import BakeError, ModelLayerError, ModelNotFoundError
from tests.contract.lab_values import LEASE_S, NOON_S, leased, new_run, queued
from tests.contract.session_values import SetClock
from tests.lab_places import Opened
from tests.lab_runs import (
    KEPT_EVERY,
    MODEL_FILE,
    STEPS,
    assert_succeeded,
    forever,
    lab_worker,
    make_in_steps,
    model_of,
    stops_after,
)


class KilledError(BaseException):
    """Raise in place of a kill: nothing that a worker does for an error is done."""


def test_a_run_ends_with_its_model(store: LabStore, place: Opened, tmp_path: Path, clock: SetClock) -> None:
    """Undisturbed, by one lease."""
    run = queued(store)
    assert lab_worker(store, place.files, tmp_path, clock).work(run.id, seconds_left=forever) == "succeeded"
    assert_succeeded(store, place, run, tmp_path)
    assert store.load(run.id).fence == 1


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_run_of_many_deadlines_ends_like_one(
    store: LabStore, place: Opened, tmp_path: Path, clock: SetClock, pieces: int
) -> None:
    """Whenever time runs out the run waits, with what was done kept once, and the next worker goes on from there."""
    run = queued(store)
    worker = lab_worker(store, place.files, tmp_path, clock)
    done = 0
    while worker.work(run.id, seconds_left=stops_after(pieces)) == "unfinished":
        done += pieces
        waiting = store.load(run.id)
        assert (waiting.status, waiting.activity, waiting.step, len(waiting.curve)) == ("queued", "waiting", done, done)
        assert waiting.files is not None
        assert place.names()
        assert all(f"{waiting.files}/" in name for name in place.names())
        assert list((tmp_path / "work").iterdir()) == []
    assert_succeeded(store, place, run, tmp_path)


@pytest.mark.parametrize("kill_at", range(1, STEPS + 1))
def test_a_run_killed_at_any_step_ends_like_one(
    store: LabStore, place: Opened, tmp_path: Path, clock: SetClock, kill_at: int
) -> None:
    """Nobody can take it up before the lease ends; then another goes on from what was kept, and not from where it was."""
    run = queued(store)
    told: list[int] = []

    def die(_: LabRun, what: object) -> None:
        if isinstance(what, Progress) and what.step == kill_at:
            raise KilledError

    def listen(_: LabRun, what: object) -> None:
        if isinstance(what, Progress):
            told.append(what.step)

    with pytest.raises(KilledError):
        lab_worker(store, place.files, tmp_path, clock, announce=die).work(run.id, seconds_left=forever)
    successor = lab_worker(store, place.files, tmp_path, clock, announce=listen)
    assert successor.work(run.id, seconds_left=forever) == "not_mine"
    clock.forward(LEASE_S)
    assert successor.work(run.id, seconds_left=forever) == "succeeded"
    assert told == list(range(kill_at // KEPT_EVERY * KEPT_EVERY + 1, STEPS + 1))
    assert_succeeded(store, place, run, tmp_path)


def test_a_killed_workers_folder_is_removed(store: LabStore, files: LabFiles, tmp_path: Path, clock: SetClock) -> None:
    """By whoever takes the run up on the same machine, and nothing in it counts."""
    run = queued(store)
    left = tmp_path / "work" / f"{run.id}-1"
    left.mkdir(parents=True)
    (left / "state.json").write_text("[1, 2, 3, 4, 5, 6, 7, 99]")
    leased(store, run.id)
    store.release(run.id, 1)
    assert lab_worker(store, files, tmp_path, clock).work(run.id, seconds_left=forever) == "succeeded"
    assert not left.exists()
    assert files.read(store.load(run.id).result or "", MODEL_FILE) == model_of(run)


@pytest.mark.parametrize("moment", ["preparing", "training", 1, 2, 3, 5, 7, "measuring"])
def test_a_lost_lease_publishes_nothing(
    store: LabStore, place: Opened, tmp_path: Path, clock: SetClock, moment: str | int
) -> None:
    """Whenever another takes the run over, the first ends without a word of it kept, and the second as if it had been alone."""
    run = queued(store)

    def lose(_: LabRun, what: object) -> None:
        if moment == (what.step if isinstance(what, Progress) else what):
            clock.forward(LEASE_S)
            assert store.lease(run.id, until_epoch_s=NOON_S + 2 * LEASE_S) is not None

    assert lab_worker(store, place.files, tmp_path, clock, announce=lose).work(run.id, seconds_left=forever) == "not_mine"
    taken = store.load(run.id)
    assert (taken.status, taken.fence, taken.result) == ("running", 2, None)
    assert all(taken.files is not None and f"{taken.files}/" in name for name in place.names())
    assert list((tmp_path / "work").iterdir()) == []
    clock.forward(LEASE_S)
    assert lab_worker(store, place.files, tmp_path, clock).work(run.id, seconds_left=forever) == "succeeded"
    assert_succeeded(store, place, run, tmp_path)


@pytest.mark.parametrize("moment", ["preparing", 2, "measuring"])
def test_a_removed_run_leaves_nothing(store: LabStore, place: Opened, tmp_path: Path, clock: SetClock, moment: str | int) -> None:
    """Removed under its worker's hands, neither the store nor the files have anything of it when the worker ends."""
    run = queued(store)

    def remove(_: LabRun, what: object) -> None:
        if moment == (what.step if isinstance(what, Progress) else what):
            store.remove(run.id)
            place.files.drop_all(run.id)

    assert lab_worker(store, place.files, tmp_path, clock, announce=remove).work(run.id, seconds_left=forever) == "not_mine"
    assert store.all() == []
    assert place.names() == set()
    assert lab_worker(store, place.files, tmp_path, clock).work(run.id, seconds_left=forever) == "not_mine"


def test_of_two_workers_at_once_one_works(store: LabStore, place: Opened, tmp_path: Path, clock: SetClock) -> None:
    """However many are given the same run, it is made once."""
    run = queued(store)
    together = threading.Barrier(4)

    def work(place_: int) -> str:
        worker = lab_worker(store, place.files, tmp_path / str(place_), clock)
        together.wait()
        return worker.work(run.id, seconds_left=forever)

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(work, range(4))) == ["not_mine", "not_mine", "not_mine", "succeeded"]
    assert store.load(run.id).fence == 1
    assert place.files.read(store.load(run.id).result or "", MODEL_FILE) == model_of(run)


FAILURES = [
    (NothingToLearnError("zebra"), "nothing_to_learn"),
    (NoProbeError("zebra"), "no_probe"),
    (ModelNotFoundError("zebra"), "model_not_found"),
    (BakeError("zebra"), "bake_failed"),
    (ModelLayerError("zebra"), "training_failed"),
    (DivergedError(), "diverged"),
    (MemoryError("zebra"), "internal_error"),
]


@pytest.mark.parametrize(("error", "problem"), FAILURES)
def test_a_failure_ends_the_run(
    store: LabStore, place: Opened, tmp_path: Path, clock: SetClock, error: Exception, problem: str
) -> None:
    """With a code and not a word of the error, which is reported; nothing of its work is left."""
    run = queued(store)
    heard: list[Exception] = []

    def fail(run: LabRun, base: Path, work: Path, watch: Watch) -> Path | None:
        assert make_in_steps(run, base, work, Watch(seconds_left=stops_after(5), kept=watch.kept)) is None
        raise error

    worker = lab_worker(store, place.files, tmp_path, clock, make=fail, report=heard.append)
    assert worker.work(run.id, seconds_left=forever) == "failed"
    ended = store.load(run.id)
    assert (ended.status, ended.problem, ended.result, ended.files) == ("failed", problem, None, None)
    assert "zebra" not in repr(ended)
    assert heard == [error]
    assert place.names() == set()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_run_that_takes_down_its_workers_ends(store: LabStore, place: Opened, tmp_path: Path, clock: SetClock) -> None:
    """After so many leases it has failed, and is not begun again."""
    run = new_run()
    store.create(LabRun(run.id, run.base, run.plan, run.model_name, run.created_at, fence=int(NOON_S)))

    def die(*_: object) -> None:
        raise KilledError

    worker = lab_worker(store, place.files, tmp_path, clock, make=die)
    for _ in range(MOST_LEASES):
        with pytest.raises(KilledError):
            worker.work(run.id, seconds_left=forever)
        clock.forward(LEASE_S)
    assert worker.work(run.id, seconds_left=forever) == "failed"
    assert store.load(run.id).problem == "too_many_attempts"
    assert worker.work(run.id, seconds_left=forever) == "not_mine"


def test_work_that_is_gone_is_begun_anew(store: LabStore, place: Opened, tmp_path: Path, clock: SetClock) -> None:
    """When the files that the store points to are not there, what comes of the run is the same."""
    run = queued(store)
    worker = lab_worker(store, place.files, tmp_path, clock)
    assert worker.work(run.id, seconds_left=stops_after(5)) == "unfinished"
    place.files.drop_all(run.id)
    assert worker.work(run.id, seconds_left=forever) == "succeeded"
    assert_succeeded(store, place, run, tmp_path)
