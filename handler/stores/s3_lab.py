"""Files of training runs in one folder of a bucket in S3.

    <run>/<name>/<token>/...   the files; every keep draws a token
    <run>/<name>/index.json    the token, and path, size and SHA-256 of every file: written last, and once

Without its index nothing is there, so what a kill leaves half-way is never fetched; it goes with the run.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import boto3.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from handler.lab.errors import FilesGoneError
from handler.lab.run import parts_of, plain
from handler.stores.aws_errors import status_of, translated
from handler.stores.relative_path import checked_path, files_below
from handler.wheel.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

INDEX_FILE = "index.json"
_KEYS_A_DELETE = 1000
_LINK_S = 300
_NOT_FOUND, _PRECONDITION_FAILED = 404, 412


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, path: str) -> "_File":
        with (folder / path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path, (folder / path).stat().st_size, digest)


@dataclass(frozen=True, slots=True)
class _Index:
    token: str
    files: Sequence[_File]


def make_client(*, patient: bool = True) -> "S3Client":
    """A client for large files, which waits long enough for a part of 8 MB five times; else one that gives up in time."""
    config = Config(
        connect_timeout=2 if patient else 1,
        read_timeout=30 if patient else 2,
        retries={"mode": "standard", "total_max_attempts": 5 if patient else 2},
    )
    # A session of its own: making clients from boto3's default session is not thread-safe.
    return boto3.session.Session().client("s3", config=config)


class S3LabFiles:
    """A `LabFiles` in the folder `location`, such as `s3://bucket/lab/`."""

    def __init__(self, location: str, *, client: "S3Client | None" = None, patient: bool = True) -> None:
        """The client is made on first use. One that is not `patient` is for small files that somebody waits for."""
        self._patient = patient
        assert location.startswith("s3://"), "a folder is named by its bucket and its keys"
        assert location.endswith("/"), "a folder's name ends with a slash"
        self._bucket, self._folder = location.removeprefix("s3://").split("/", 1)
        self._given_client = client

    @cached_property
    def _client(self) -> "S3Client":
        return self._given_client or make_client(patient=self._patient)

    def keep(self, run_id: str, name: str, folder: Path) -> str:
        """Send all files, and then the index that makes them reachable."""
        key = f"{plain(run_id)}/{plain(name)}"
        index = _Index(token_hex(8), [_File.of(folder, path) for path in files_below(folder)])
        with _translated():
            for file in index.files:
                self._client.upload_file(str(folder / file.path), self._bucket, self._object(key, index, file.path))
            self._put_index(key, index)
        return key

    def fetch(self, key: str, to: Path) -> Path:
        """Get all files beside `to`, compare them with the index, and rename."""
        if to.exists():
            return to
        with _translated():
            index = self._index(key)
            staging = to.with_name(f".{to.name}.{token_hex(8)}")
            try:
                staging.mkdir(parents=True)
                for file in index.files:
                    self._get(self._object(key, index, file.path), staging, file)
                _appear(staging, to)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        return to

    def read(self, key: str, name: str) -> bytes:
        """One object."""
        with _translated():
            return self._content(self._found(key, name))

    def link(self, key: str, name: str) -> str:
        """A presigned address, which lasts no longer than the credentials that it is signed with."""
        with _translated():
            found = {"Bucket": self._bucket, "Key": self._found(key, name)}
            return self._client.generate_presigned_url("get_object", Params=found, ExpiresIn=_LINK_S)

    def drop(self, key: str) -> None:
        """Remove all objects of the key."""
        self._remove("/".join(parts_of(key)), but=None)

    def drop_all(self, run_id: str, *, but: str | None = None) -> None:
        """Remove all objects of the run, also those that no index names."""
        self._remove(plain(run_id), but=None if but is None else "/".join(parts_of(but)))

    def _found(self, key: str, name: str) -> str:
        path, index = checked_path(name), self._index(key)
        if path not in {file.path for file in index.files}:
            raise FilesGoneError
        return self._object(key, index, path)

    def _object(self, key: str, index: _Index, path: str) -> str:
        return f"{self._folder}{key}/{index.token}/{path}"

    def _put_index(self, key: str, index: _Index) -> None:
        """Write the index, unless there is one. Where a lost answer was asked for again, the one that is there is this one."""
        body, name = json.dumps(asdict(index)).encode(), f"{self._folder}{key}/{INDEX_FILE}"
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) != _PRECONDITION_FAILED:
                raise
            if self._content(name) != body:
                raise FileExistsError from error

    def _index(self, key: str) -> _Index:
        body: dict[str, Any] = json.loads(self._content(f"{self._folder}{'/'.join(parts_of(key))}/{INDEX_FILE}"))
        files = [_File(checked_path(file["path"]), file["bytes"], file["sha256"]) for file in body["files"]]
        return _Index(plain(body["token"]), files)

    def _content(self, name: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()

    def _get(self, name: str, staging: Path, file: _File) -> None:
        path = staging / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(self._bucket, name, str(path))
        if _File.of(staging, file.path) != file:
            raise FilesGoneError

    def _remove(self, prefix: str, *, but: str | None) -> None:
        kept = None if but is None else f"{self._folder}{but}/"
        with _translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{self._folder}{prefix}/")
            names = [found["Key"] for page in pages for found in page.get("Contents", [])]
            gone = [name for name in names if kept is None or not name.startswith(kept)]
            for start in range(0, len(gone), _KEYS_A_DELETE):
                self._delete(gone[start : start + _KEYS_A_DELETE])

    def _delete(self, names: Sequence[str]) -> None:
        objects: list[ObjectIdentifierTypeDef] = [{"Key": name} for name in names]
        if self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors"):
            raise StoreUnavailableError


def _appear(staging: Path, to: Path) -> None:
    """Rename, unless another thread was faster: what it fetched is the same."""
    try:
        staging.rename(to)
    except OSError:
        if not to.is_dir():
            raise


@contextmanager
def _translated() -> Iterator[None]:
    """Raise FilesGoneError for what is not there, StoreUnavailableError for whatever else fails at S3 or this machine's disk."""
    with translated():
        try:
            yield
        except ClientError as error:
            if status_of(error) == _NOT_FOUND and error.response["Error"]["Code"] != "NoSuchBucket":
                raise FilesGoneError from error
            raise
        except FileExistsError:
            raise
        except (Boto3Error, HTTPError, OSError) as error:
            raise StoreUnavailableError from error
