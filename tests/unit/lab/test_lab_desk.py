"""The desk of training runs: what it takes, what it calls, and what it removes."""

from dataclasses import replace
from pathlib import Path

import pytest

from handler.lab.errors import RunNotFinishedError, RunNotFoundError
from handler.wheel.errors import IdempotencyKeyReusedError, StoreUnavailableError
from handler.wheel.ledger import Write
from model_layer.constitution.errors import NoProbeError
from model_layer.errors import ModelNotFoundError
from tests.contract.lab_values import LEASE_S, leased
from tests.lab_bench import Bench

WRITE = Write(key_hash="5f2c", fingerprint="9a")


def test_a_run_is_kept_and_called(bench: Bench) -> None:
    """It waits, named after its base, its plan and itself."""
    run = bench.desk.start("quick_demo", "base", Write())
    assert bench.desk.load(run.id) == run
    assert bench.desk.all() == [run]
    assert bench.called == [run.id]
    assert (run.status, run.model_name, run.leases) == ("queued", f"base-quick-demo-{run.id[:8]}", 0)
    assert leased(bench.store, run.id).leases == 1


def test_without_a_key_each_request_is_a_run(bench: Bench) -> None:
    """Also of the same plan and base."""
    assert len({bench.desk.start("standard", "base", Write()).id for _ in range(3)}) == 3


def test_the_same_key_is_the_same_run(bench: Bench) -> None:
    """Which is called again while it waits, and only then; its id tells nothing of the key."""
    run = bench.desk.start("quick_demo", "base", WRITE)
    bench.clock.forward(9)
    assert bench.desk.start("quick_demo", "base", WRITE) == run
    assert bench.called == [run.id] * 2
    leased(bench.store, run.id)
    assert bench.desk.start("quick_demo", "base", WRITE).status == "running"
    assert bench.called == [run.id] * 2
    assert "5f2c" not in run.id
    with pytest.raises(IdempotencyKeyReusedError):
        bench.desk.start("standard", "base", replace(WRITE, fingerprint="9b"))


def test_a_call_that_fails_is_made_again(bench: Bench) -> None:
    """By the request that comes again with its key: the run was kept."""

    def fail(_: str) -> None:
        raise StoreUnavailableError

    called, bench.desk.call = bench.desk.call, fail
    with pytest.raises(StoreUnavailableError):
        bench.desk.start("quick_demo", "base", WRITE)
    bench.desk.call = called
    assert bench.called == [bench.desk.start("quick_demo", "base", WRITE).id]
    assert len(bench.desk.all()) == 1


def test_a_base_must_be_here_and_have_probes(bench: Bench, tuned: Path) -> None:
    """Before anything is kept: what came of a run has none, so it is no base."""
    with pytest.raises(ModelNotFoundError):
        bench.desk.start("quick_demo", "nowhere", Write())
    run = bench.finished(tuned)
    with pytest.raises(NoProbeError):
        bench.desk.start("quick_demo", run.model_name, Write())
    assert bench.desk.all() == [replace(run, curve=())]


def test_only_what_waits_is_resumed(bench: Bench) -> None:
    """A queued run and one whose lease has ended are called again; one at work, or at its end, is not."""
    run = bench.desk.start("quick_demo", "base", Write())
    assert bench.desk.resume(run.id) == run
    assert len(bench.called) == 2
    fence = leased(bench.store, run.id).fence
    bench.desk.resume(run.id)
    assert len(bench.called) == 2
    bench.clock.forward(LEASE_S)
    assert bench.desk.resume(run.id).status == "running"
    assert len(bench.called) == 3
    bench.store.fail(run.id, fence, "diverged")
    bench.desk.resume(run.id)
    assert len(bench.called) == 3
    with pytest.raises(RunNotFoundError):
        bench.desk.resume("1f0c")


def test_a_removed_run_made_again_has_fences_of_its_own(bench: Bench) -> None:
    """The same key makes the same id, but the worker of the removed run can write nothing of the new one."""
    old = leased(bench.store, bench.desk.start("quick_demo", "base", WRITE).id)
    bench.desk.remove(old.id)
    bench.clock.forward(10)
    new = leased(bench.store, bench.desk.start("quick_demo", "base", WRITE).id)
    assert new.id == old.id
    assert new.fence > old.fence


def test_half_removed_is_removed_again(bench: Bench, tuned: Path) -> None:
    """When its files could not be removed, the same request tries them once more, though the run is gone."""
    run = bench.finished(tuned)
    bench.files.is_away = True
    with pytest.raises(StoreUnavailableError):
        bench.desk.remove(run.id)
    bench.files.is_away = False
    assert bench.place.names()
    with pytest.raises(RunNotFoundError):
        bench.desk.remove(run.id)
    assert bench.place.names() == set()


def test_an_unfinished_run_has_no_model(bench: Bench) -> None:
    """Neither a folder, nor a file, nor a link, nor a name in the catalogue."""
    run = bench.desk.start("quick_demo", "base", Write())
    for ask in (bench.desk.model_folder, lambda run: bench.desk.read(run, "x"), lambda run: bench.desk.link(run, "x")):
        with pytest.raises(RunNotFinishedError):
            ask(run)
    assert run.model_name not in bench.catalog.names()
