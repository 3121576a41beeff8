"""Which parts of the lab the settings give."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from handler.lab.errors import LabOffError, RunNotFoundError
from handler.lab.no_lab import NoLabStore
from handler.lab.run import LabRun
from handler.settings import Settings
from handler.stores.dynamodb_lab import DynamoDbLabStore
from handler.stores.folder_files import FolderFiles
from handler.stores.s3_lab import S3LabFiles
from handler.stores.sqlite_lab import SqliteLabStore
from handler.wheel.ledger import Write
from handler.wiring import Application, build, scratch_folder
from model_layer.constitution.errors import NoProbeError
from tests.baked_models import make_baked_model
from tests.lab_runs import forever


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model without probes."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "tiny")


def built(model: Path, folder: Path, **settings: object) -> Application:
    """An application with nothing but that model."""
    return build(Settings.model_validate({"model": str(model), "models_folders": (), "data_folder": folder, **settings}))


def test_a_machine_has_its_own(model: Path, tmp_path: Path) -> None:
    """A file, a folder, and no function to call; nothing is there before it is used, and it is closed with the rest."""
    parts = built(model, tmp_path / "data")
    assert isinstance(parts.lab.store, SqliteLabStore)
    assert isinstance(parts.lab.files, FolderFiles)
    assert not (tmp_path / "data").exists()
    parts.lab.call("1f0c")
    assert parts.lab.all() == []
    with pytest.raises(NoProbeError):
        parts.lab.start("quick_demo", "tiny", Write())
    assert parts.lab_worker().work("1f0c", seconds_left=forever) == "not_mine"
    parts.close()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"lab.sqlite3"}


def test_lambda_has_that_of_aws(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, a bucket, a function that is called by name, and /tmp for copies; no client is made before it is used."""
    called: list[tuple[object, object]] = []
    monkeypatch.setattr(
        "handler.stores.lambda_function.LambdaFunction.call_later",
        lambda function, event: called.append((function._called, event)),
    )
    aws = {"lab_store": "dynamodb", "lab_table": "runs", "lab_location": "s3://class-lab/lab/", "lab_function_name": "wheel-lab"}
    parts = built(model, tmp_path, aws_lambda_function_memory_size=3008, **aws)
    assert isinstance(parts.lab.store, DynamoDbLabStore)
    assert isinstance(parts.lab.files, S3LabFiles)
    parts.lab.call("1f0c")
    assert called == [({"FunctionName": "wheel-lab"}, {"lab_run": "1f0c"})]
    assert scratch_folder(parts.settings) != parts.settings.data_folder


def test_a_table_is_needed_by_name() -> None:
    """Or the process does not start."""
    with pytest.raises(ValueError, match="LAB_TABLE is needed"):
        Settings(lab_store="dynamodb")


def test_lambda_without_a_lab_has_none(model: Path, tmp_path: Path) -> None:
    """There are no runs, none can be started, and nothing is written anywhere."""
    parts = built(model, tmp_path / "data", aws_lambda_function_memory_size=1769)
    assert isinstance(parts.lab.store, NoLabStore)
    assert parts.lab.all() == []
    run = LabRun("1f0c", "tiny", "quick_demo", "tiny-quick-demo-1f0c1f0c", datetime.now(UTC))
    with pytest.raises(LabOffError):
        parts.lab.store.create(run)
    with pytest.raises(RunNotFoundError):
        parts.lab.load("1f0c")
    assert parts.lab_worker().work("1f0c", seconds_left=forever) == "not_mine"
    assert not (tmp_path / "data").exists()
