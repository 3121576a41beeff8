"""What every store of files promises, on S3 and in memory alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from handler.jobs.parts import ObjectStore, divide
from handler.stores.s3 import S3Objects
from handler.wheel.errors import SourceNotFoundError
from tests.contract.session_values import local_session
from tests.memory_objects import LOCATION, MemoryObjects

BUCKET, FOLDER = LOCATION.removeprefix("s3://").split("/", 1)
NAME = f"{LOCATION}input.jsonl"
one_store_for_all_examples = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Opened:
    """A store that gives chunks of 5 bytes, and a way round it to put a file and to look at all files."""

    objects: ObjectStore
    put: Callable[[str, bytes], object]
    files: Callable[[], dict[str, bytes]]


@contextmanager
def memory() -> Iterator[Opened]:
    """A store in memory."""
    objects = MemoryObjects(chunk_bytes=5)
    yield Opened(objects, objects.files.__setitem__, lambda: dict(objects.files))


@contextmanager
def moto() -> Iterator[Opened]:
    """A store in a bucket of moto's S3, in which there is more than the store's folder."""
    with mock_aws():
        client = local_session().client("s3")
        client.create_bucket(Bucket=BUCKET)

        def put(uri: str, content: bytes) -> None:
            client.put_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"), Body=content)

        def files() -> dict[str, bytes]:
            keys = [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
            return {f"s3://{BUCKET}/{key}": client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

        yield Opened(S3Objects(LOCATION, client=client, chunk_bytes=5), put, files)


@pytest.fixture(params=[memory, moto])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """An empty store of each kind."""
    with request.param() as made:
        yield made


@one_store_for_all_examples
@given(content=st.binary(min_size=1, max_size=40), cut=st.tuples(st.integers(0, 39), st.integers(1, 40)))
def test_bytes_are_exact(opened: Opened, content: bytes, cut: tuple[int, int]) -> None:
    """The chunks make up the file, and a range of it is its slice."""
    opened.put(NAME, content)
    version = opened.objects.version(NAME)
    assert b"".join(opened.objects.chunks(NAME, version)) == content
    start = min(cut[0], len(content) - 1)
    stop = min(start + cut[1], len(content))
    assert opened.objects.read(NAME, version, start=start, stop=stop) == content[start:stop]


def test_empty_file_has_no_bytes(opened: Opened) -> None:
    """A file without a byte is there, and empty."""
    opened.put(NAME, b"")
    assert b"".join(opened.objects.chunks(NAME, opened.objects.version(NAME))) == b""


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_lines_are_found_across_chunks(opened: Opened, end: bytes) -> None:
    """Lines that begin and end anywhere in a chunk, at its edges too, are all found where they are."""
    content = b"\n".join([b"a" * length for length in (1, 4, 5, 6, 10, 9, 3)]) + end
    opened.put(NAME, content)
    version = opened.objects.version(NAME)
    assert list(divide(opened.objects.chunks(NAME, version))) == list(divide([content]))


def test_version_is_that_of_the_content(opened: Opened) -> None:
    """Another content is another version; the same written again is the same."""
    versions = []
    for content in (b"one", b"two", b"one"):
        opened.put(NAME, content)
        versions.append(opened.objects.version(NAME))
    assert versions[0] == versions[2] != versions[1]


@pytest.mark.parametrize("content", [b"other bytes", b"o", b""])
def test_changed_file_is_not_found(opened: Opened, content: bytes) -> None:
    """Nothing is read of a file that is another one by now, longer or shorter."""
    opened.put(NAME, b"some bytes")
    version = opened.objects.version(NAME)
    opened.put(NAME, content)
    for use in reads(opened.objects, NAME, version):
        with pytest.raises(SourceNotFoundError):
            use()


def test_missing_file_is_not_found(opened: Opened) -> None:
    """What is not there has no version and no bytes."""
    for use in (lambda: opened.objects.version(NAME), *reads(opened.objects, NAME, '"1"')):
        with pytest.raises(SourceNotFoundError):
            use()


def reads(objects: ObjectStore, uri: str, version: str) -> list[Callable[[], object]]:
    """Both ways of reading a file."""
    return [lambda: list(objects.chunks(uri, version)), lambda: objects.read(uri, version, start=2, stop=4)]


def test_first_write_stays(opened: Opened) -> None:
    """A file is written once: what comes second changes nothing, and is no error."""
    for content in (b"first\n", b"second\n", b""):
        opened.objects.write_once(f"{LOCATION}out/part.jsonl", content)
    assert opened.files() == {f"{LOCATION}out/part.jsonl": b"first\n"}


REFUSED = [
    "",
    "input.jsonl",
    "class-jobs/spring/a",
    "/etc/passwd",
    "file:///etc/passwd",
    "https://class-jobs/spring/a",
    "S3://class-jobs/spring/a",
    "s3://class-jobs/a",
    "s3://class-jobs/springtime/a",
    "s3://class-jobs.evil/spring/a",
    "s3://other/spring/a",
    "s3://other/s3://class-jobs/spring/a",
    f"{LOCATION}{'a' * 900}",
    *(f"{LOCATION}{name}" for name in ("..", ".", "../a", "a/../../b", "a/./b", "/a", "a//b")),
    *(f"{LOCATION}{name}" for name in ("a\x00", "a\nb", "a\x7f", "a\ud800", "\u202ea")),
]


def test_names_elsewhere_are_refused(opened: Opened) -> None:
    """A name that is not plainly one of a file in the store's folder is not found, for every use, and nothing is written."""
    opened.put(f"s3://{BUCKET}/a", b"another's")
    for name in (*REFUSED, LOCATION, f"{LOCATION}a/", LOCATION.removesuffix("/")):
        with pytest.raises(SourceNotFoundError):
            opened.objects.version(name)
        with pytest.raises(SourceNotFoundError):
            opened.objects.write_once(name, b"bytes")
        for read in reads(opened.objects, name, '"1"'):
            with pytest.raises(SourceNotFoundError):
                read()
    assert opened.files() == {f"s3://{BUCKET}/a": b"another's"}


def test_folders_elsewhere_are_refused(opened: Opened) -> None:
    """A folder elsewhere, or a name that no slash ends, is none to write results to."""
    for name in (*(f"{name}/" for name in REFUSED), "", f"{LOCATION}out", LOCATION.removesuffix("/")):
        with pytest.raises(SourceNotFoundError):
            opened.objects.check(name)


def test_folders_within_are_accepted(opened: Opened) -> None:
    """The store's own folder and those below it take results, also by names that need quoting on the way."""
    for name in (LOCATION, f"{LOCATION}out/", f"{LOCATION}class 7b/Ünïcode/%2e%2e/"):
        opened.objects.check(name)
        opened.objects.write_once(f"{name}part", b"bytes")
        assert opened.files()[f"{name}part"] == b"bytes"
        assert opened.objects.read(f"{name}part", opened.objects.version(f"{name}part"), start=0, stop=2) == b"by"
