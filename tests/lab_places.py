"""Both places of the files of runs, with a look at what lies there, and folders to keep."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from handler.lab.run import LabFiles
from handler.stores.folder_files import FolderFiles
from handler.stores.s3_lab import INDEX_FILE, S3LabFiles
from tests.contract.session_values import local_session

if TYPE_CHECKING:
    pass

BUCKET, FOLDER = "class-lab", "spring/"
RUN, OTHER_RUN = "1f0c", "1f0c2"
CONTENT = {
    "manifest.json": b"{}",
    "model/model.safetensors": bytes(range(256)) * 400,
    "model/deep/er.txt": b"",
    ".hidden": b"\x00",
}


@dataclass(frozen=True)
class Opened:
    """A place, the names of all that lies there, and a way to let a keep end before its last step."""

    files: LabFiles
    names: Callable[[], set[str]]
    cut_keep: Callable[[pytest.MonkeyPatch], None]


class KilledError(Exception):
    """Raise in place of a kill."""


def die(*_: Any, **__: Any) -> None:
    """End as a kill does."""
    raise KilledError


@contextmanager
def folder_files(folder: Path) -> Iterator[Opened]:
    """A folder of this machine."""
    root = folder / "files"

    def names() -> set[str]:
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    def cut_keep(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "rename", die)
        monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # a kill tidies nothing up

    yield Opened(FolderFiles(root), names, cut_keep)


@contextmanager
def s3_files(_: Path) -> Iterator[Opened]:
    """A folder of a bucket of moto's S3, in which there is more."""
    with mock_aws():
        client = local_session().client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=f"another/{RUN}/kept/index.json", Body=b"another's")

        def names() -> set[str]:
            found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
            return {one["Key"] for one in found} - {f"another/{RUN}/kept/index.json"}

        def cut_keep(monkeypatch: pytest.MonkeyPatch) -> None:
            put = client.put_object

            def put_until_last(**request: Any) -> Any:
                return die() if request["Key"].endswith(INDEX_FILE) else put(**request)

            monkeypatch.setattr(client, "put_object", put_until_last)

        yield Opened(S3LabFiles(f"s3://{BUCKET}/{FOLDER}", client=client), names, cut_keep)


def written(folder: Path, content: dict[str, bytes]) -> Path:
    """A new folder with this content."""
    for name, body in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
