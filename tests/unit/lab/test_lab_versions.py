"""The models that come of runs, in the catalogue: found without a restart, gone when they are removed."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handler.lab.errors import FilesGoneError, RunNotFoundError
from handler.lab.versions import MOST_FETCHED
from handler.wheel.errors import StoreUnavailableError
from model_layer.catalog import MOST_PROVIDED, ModelCatalog
from model_layer.errors import ModelNotFoundError
from model_layer.language_model import LanguageModel
from tests.contract.session_values import SetClock
from tests.lab_bench import Bench
from tests.lab_places import s3_files


def test_a_finished_model_is_in_the_catalogue(bench: Bench, tuned: Path) -> None:
    """Without a restart, by its run's name, with its own manifest; and it computes."""
    assert bench.catalog.names() == ["base"]
    run = bench.finished(tuned)
    assert bench.catalog.get(run.model_name).name == run.model_name
    assert bench.catalog.manifest(run.model_name) == ModelCatalog({"t": tuned}, "t").manifest("t")
    assert bench.catalog.get(run.model_name).next_logits([1]).shape == (bench.catalog.manifest("base").vocab_size,)
    bench.clock.forward(5)
    assert bench.catalog.names() == ["base", run.model_name]
    assert (bench.desk.model_folder(run) / "manifest.json").read_bytes() == bench.desk.read(run, "manifest.json")


def test_a_removed_model_leaves_the_catalogue(bench: Bench, tuned: Path) -> None:
    """At once in this process, with its files and from memory; and a run that is not there is not removed."""
    run = bench.finished(tuned)
    model = bench.catalog.get(run.model_name)
    assert bench.desk.remove(run.id) == run
    assert bench.catalog.names() == ["base"]
    for ask in (bench.catalog.get, bench.catalog.manifest, bench.catalog.folder):
        with pytest.raises(ModelNotFoundError):
            ask(run.model_name)
    assert not bench.catalog.is_loaded(run.model_name)
    assert model.next_logits([1]).size
    assert bench.place.names() == set()
    with pytest.raises(RunNotFoundError):
        bench.desk.remove(run.id)


def test_the_baked_models_need_no_store(bench: Bench, tuned: Path) -> None:
    """While it does not answer they are listed and served, and so is what was known; an unknown version is not denied."""
    run = bench.finished(tuned)
    assert run.model_name in bench.catalog.names()
    bench.store.is_away = True
    bench.clock.forward(5)
    assert bench.catalog.names() == ["base", run.model_name]
    assert bench.catalog.get("base").name == "base"
    assert bench.catalog.manifest(run.model_name)
    with pytest.raises(StoreUnavailableError):
        bench.catalog.get("base-standard-0123abcd")
    with pytest.raises(ModelNotFoundError):
        bench.catalog.get("a student's secret")


def test_a_version_whose_files_are_gone_hides_no_other(bench: Bench, tuned: Path) -> None:
    """It is left out of the names, and the others are listed."""
    gone, there = bench.finished(tuned), bench.finished(tuned)
    bench.place.files.drop_all(gone.id)
    assert bench.catalog.names() == ["base", there.model_name]
    with pytest.raises(ModelNotFoundError):
        bench.catalog.get(gone.model_name)
    with pytest.raises(FilesGoneError):
        bench.desk.read(gone, "manifest.json")


def test_the_store_is_asked_seldom(bench: Bench, tuned: Path) -> None:
    """Once in some seconds for names, and never for a name that no run can have."""
    run = bench.finished(tuned)
    before = bench.store.listings
    for _ in range(9):
        assert bench.catalog.names() == ["base", run.model_name]
        assert bench.catalog.get(run.model_name)
        assert bench.catalog.get("base")
        with pytest.raises(ModelNotFoundError):
            bench.catalog.get("nothing-of-ours")
    assert bench.store.listings == before + 1
    bench.clock.forward(5)
    bench.catalog.names()
    assert bench.store.listings == before + 2


def test_few_versions_are_in_memory(bench: Bench, tuned: Path) -> None:
    """Those that were asked for last; what the others computed still counts, and they come back."""
    runs = [bench.finished(tuned) for _ in range(MOST_PROVIDED + 1)]
    bench.catalog.get("base")
    for place, run in enumerate(runs):
        bench.catalog.get(run.model_name).next_logits([1])
        assert bench.catalog.forward_passes == place + 1
    loaded = [bench.catalog.is_loaded(run.model_name) for run in runs]
    assert loaded == [False, *[True] * MOST_PROVIDED]
    assert bench.catalog.is_loaded("base")
    bench.catalog.get(runs[1].model_name)
    bench.catalog.get(runs[0].model_name)
    assert [bench.catalog.is_loaded(run.model_name) for run in runs] == [True, True, *[False] * (MOST_PROVIDED - 1)]


def test_few_versions_are_on_this_disk(tmp_path: Path, base: Path, tuned: Path) -> None:
    """S3: copies of what was removed, and the oldest of many, make room for others."""
    with s3_files(tmp_path) as place:
        bench = Bench(tmp_path, base, place, SetClock())
        runs = [bench.finished(tuned) for _ in range(MOST_FETCHED + 2)]
        for run in runs:
            bench.desk.model_folder(run)
            bench.catalog.names()
        there = {path.name for path in bench.fetched.iterdir()}
        assert runs[-1].model_name in there
        assert len(there) <= MOST_FETCHED
        bench.desk.remove(runs[-1].id)
        bench.catalog.names()
        bench.desk.model_folder(runs[0])
        assert runs[-1].model_name not in {path.name for path in bench.fetched.iterdir()}
        bench.store.close()


def test_a_manifest_that_is_none_is_left_out(bench: Bench, tuned: Path, tmp_path: Path) -> None:
    """As a damaged folder is."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text(json.dumps({"format": 99}))
    bench.finished(tmp_path / "broken")
    there = bench.finished(tuned)
    assert bench.catalog.names() == ["base", there.model_name]


def test_many_that_ask_at_once_get_one_model(bench: Bench, tuned: Path) -> None:
    """It is fetched and opened once, however many threads want it first."""
    run, together = bench.finished(tuned), threading.Barrier(6)

    def ask(_: int) -> LanguageModel:
        together.wait()
        return bench.catalog.get(run.model_name)

    with ThreadPoolExecutor(6) as threads:
        assert len(set(map(id, threads.map(ask, range(6))))) == 1
