"""Files of runs where something is wrong: objects that were changed, answers that were lost, places that are not there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from handler.lab.errors import FilesGoneError
from handler.stores.folder_files import FolderFiles
from handler.stores.s3_lab import INDEX_FILE, S3LabFiles, make_client
from handler.wheel.errors import StoreUnavailableError
from tests.contract.session_values import local_session
from tests.lab_places import BUCKET, CONTENT, FOLDER, RUN, content_of, s3_files, written

if TYPE_CHECKING:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to keep."""
    return written(tmp_path / "folder", CONTENT)


def test_damaged_objects_are_not_fetched(folder: Path, tmp_path: Path) -> None:
    """S3: what is not as the index says, or is missing, is gone as a whole."""
    with s3_files(tmp_path) as opened:
        client = opened.files._client  # type: ignore[attr-defined] # as whoever else may write to the bucket
        for place, body in enumerate((b"[]", b"", None)):
            key = opened.files.keep(RUN, f"work-{place}", folder)
            name = next(one for one in opened.names() if one.startswith(f"{FOLDER}{key}/") and one.endswith("/manifest.json"))
            client.delete_object(Bucket=BUCKET, Key=name)
            if body is not None:
                client.put_object(Bucket=BUCKET, Key=name, Body=body)
            with pytest.raises(FilesGoneError):
                opened.files.fetch(key, tmp_path / "to")
            assert list(tmp_path.iterdir()) == [folder]


def test_an_index_that_leads_elsewhere_is_refused(folder: Path, tmp_path: Path) -> None:
    """S3: no path in an index makes a fetch write outside its folder."""
    with s3_files(tmp_path) as opened:
        key = opened.files.keep(RUN, "work", folder)
        client, name = opened.files._client, f"{FOLDER}{key}/{INDEX_FILE}"  # type: ignore[attr-defined] # as above
        body = client.get_object(Bucket=BUCKET, Key=name)["Body"].read().replace(b"manifest.json", b"../../escaped")
        client.put_object(Bucket=BUCKET, Key=name, Body=body)
        with pytest.raises(ValueError, match="a path below a folder"):
            opened.files.fetch(key, tmp_path / "to")
        assert list(tmp_path.iterdir()) == [folder]


def test_a_lost_answer_is_no_second_keep(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: when the index was written and the answer was lost, the request that comes again finds it, and all is well."""
    with s3_files(tmp_path) as opened:
        client = opened.files._client  # type: ignore[attr-defined] # as above
        put = client.put_object

        def put_twice(**request: Any) -> Any:
            answer = put(**request)
            return put(**request) if request["Key"].endswith(INDEX_FILE) else answer

        monkeypatch.setattr(client, "put_object", put_twice)
        key = opened.files.keep(RUN, "work", folder)
        assert content_of(opened.files.fetch(key, tmp_path / "to")) == CONTENT


def test_a_bucket_that_is_not_there_is_unavailable(folder: Path, tmp_path: Path) -> None:
    """S3: for every use; it says nothing of whether the files are there."""
    with mock_aws():
        files = S3LabFiles("s3://nowhere-at-all/lab/", client=local_session().client("s3"))
        for use in (
            lambda: files.keep(RUN, "work", folder),
            lambda: files.fetch(f"{RUN}/work", tmp_path / "to"),
            lambda: files.read(f"{RUN}/work", "manifest.json"),
            lambda: files.drop(f"{RUN}/work"),
            lambda: files.drop_all(RUN),
        ):
            with pytest.raises(StoreUnavailableError):
                use()


def test_a_folder_that_cannot_be_written_is_unavailable(folder: Path, tmp_path: Path) -> None:
    """A folder: whatever the file system says."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailableError):
        FolderFiles(tmp_path / "file").keep(RUN, "work", folder)


def test_the_client_waits_for_large_parts_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of a gigabyte is not given up for one lost connection."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config: Any = make_client().meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert config.read_timeout == 30
