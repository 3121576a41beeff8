"""What the tests of the lab's parts share: a desk with its catalogue, and what a worker works with."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from handler.lab.run import LabFiles
from handler.stores.sqlite_lab import SqliteLabStore
from model_layer.constitution.probe import Probes
from tests.baked_models import make_baked_model
from tests.contract.session_values import SetClock
from tests.lab_bench import Bench
from tests.lab_places import Opened, folder_files, s3_files


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model with probes of nothing."""
    folder = make_baked_model(tmp_path_factory.mktemp("models") / "base")
    Probes(np.zeros(48), np.ones(48), {}).write(folder)
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model to come of a run."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "tuned", seed=8)


@pytest.fixture(params=[folder_files, s3_files])
def bench(request: pytest.FixtureRequest, tmp_path: Path, base: Path) -> Iterator[Bench]:
    """A desk without runs, with files of either kind."""
    with request.param(tmp_path) as place:
        bench = Bench(tmp_path, base, place, SetClock())
        with closing(bench.store):
            yield bench


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon, that stands."""
    return SetClock()


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Iterator[SqliteLabStore]:
    """An empty store."""
    with closing(SqliteLabStore(tmp_path / "lab.sqlite3", clock=clock)) as opened:
        yield opened


@pytest.fixture(params=[folder_files, s3_files])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """An empty place of both kinds: one gives its files where they lie, one copies them."""
    with request.param(tmp_path) as opened:
        yield opened


@pytest.fixture
def files(place: Opened) -> LabFiles:
    """The same, as a worker has it."""
    return place.files
