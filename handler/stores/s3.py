"""Files of requests and results in one folder of a bucket in S3. Nothing outside that folder is read or written.

A file's version is its ETag: reads ask for it by If-Match, so that they never mix two versions of a file.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from handler.settings import MEGABYTE
from handler.stores.aws_errors import status_of, translated
from handler.wheel.errors import SourceNotFoundError, StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LONGEST_NAME_BYTES = 900  # S3 takes keys of 1,024: room for what a job adds to the name of its output
_PRECONDITION_FAILED = 412
# Forbidden (also what is not there, for those who may not list the folder), not there, changed, and changed to be shorter.
_UNREADABLE = {403, 404, _PRECONDITION_FAILED, 416}


def make_client() -> "S3Client":
    """A client that gives up in time: its three attempts of at most 6 s end before a function or a gateway does."""
    config = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    # A session of its own: making clients from boto3's default session is not thread-safe.
    return boto3.session.Session().client("s3", config=config)


class S3Objects:
    """An `ObjectStore` in the folder `location`, such as `s3://bucket/folder/`."""

    def __init__(self, location: str, *, client: "S3Client | None" = None, chunk_bytes: int = MEGABYTE) -> None:
        """The client is made on first use. Files are streamed in chunks of `chunk_bytes`."""
        assert location.startswith("s3://"), "a folder is named by its bucket and its keys"
        assert location.endswith("/"), (
            "a folder's name ends with a slash: s3://bucket/jobs must not take in s3://bucket/jobs-of-others"
        )
        self._location = location
        self._bucket = location.split("/")[2]
        self._given_client = client
        self._chunk_bytes = chunk_bytes

    @cached_property
    def _client(self) -> "S3Client":
        return self._given_client or make_client()

    def check(self, folder: str) -> None:
        """Raise SourceNotFoundError for what is no name of a folder in this one, or of this one."""
        if not folder.endswith("/"):
            raise SourceNotFoundError
        if folder != self._location:
            self._key(folder.removesuffix("/"))

    def version(self, uri: str) -> str:
        """The file's ETag."""
        key = self._key(uri)
        with _translated():
            return self._client.head_object(Bucket=self._bucket, Key=key)["ETag"]

    def chunks(self, uri: str, version: str) -> Iterator[bytes]:
        """The file's bytes in order. An error in the midst of them is StoreUnavailableError."""
        key = self._key(uri)
        with _translated():
            answer = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=version)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(self._chunk_bytes)

    def read(self, uri: str, version: str, *, start: int, stop: int) -> bytes:
        """Bytes [start:stop] of the file, of which there is at least one."""
        key = self._key(uri)
        with _translated():
            wanted = f"bytes={start}-{stop - 1}"
            answer = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=version, Range=wanted)
            with closing(answer["Body"]) as body:
                return body.read()

    def write_once(self, uri: str, content: bytes) -> None:
        """Write a new file; of several writers at once, one does."""
        key = self._key(uri)
        with _translated():
            try:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if status_of(error) != _PRECONDITION_FAILED:
                    raise

    def _key(self, uri: str) -> str:
        """The key of a file in the folder. Raises SourceNotFoundError for any other name, before anything is sent."""
        names = uri.removeprefix(self._location).split("/")
        if not uri.startswith(self._location) or not all(map(_is_plain, names)):
            raise SourceNotFoundError
        if len(uri.encode()) > _LONGEST_NAME_BYTES:
            raise SourceNotFoundError
        return uri.removeprefix(f"s3://{self._bucket}/")


def _is_plain(name: str) -> bool:
    """Whether a part of a name means itself: `..` may be taken for the folder above on the way to S3."""
    return name not in {"", ".", ".."} and name.isprintable()


@contextmanager
def _translated() -> Iterator[None]:
    """Raise SourceNotFoundError for what cannot be read, StoreUnavailableError for whatever else S3 fails at."""
    with translated():
        try:
            yield
        except ClientError as error:
            if status_of(error) in _UNREADABLE:
                raise SourceNotFoundError from error
            raise
        except HTTPError as error:  # in the midst of a body, where botocore does not translate all of them
            raise StoreUnavailableError from error
