"""What the store of files in S3 sends, and what it makes of the errors that come back."""

import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber
from urllib3.exceptions import ProtocolError, ReadTimeoutError, SSLError

from handler.stores.s3 import S3Objects, make_client
from handler.wheel.errors import SourceNotFoundError, StoreUnavailableError
from tests.contract.session_values import local_session
from tests.memory_objects import LOCATION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, FOLDER = LOCATION.removeprefix("s3://").split("/", 1)
NAME = f"{LOCATION}input.jsonl"
PLACE = {"Bucket": BUCKET, "Key": f"{FOLDER}input.jsonl"}
PINNED = {**PLACE, "IfMatch": '"etag"'}


@pytest.fixture
def client() -> "S3Client":
    """A client that makes one attempt, for the stubber."""
    return local_session().client("s3", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def stubber(client: "S3Client") -> Iterator[Stubber]:
    """The answers of that client, given beforehand; nothing is sent, and nothing may be left unasked."""
    with Stubber(client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


@pytest.fixture
def objects(client: "S3Client", stubber: Stubber) -> S3Objects:  # noqa: ARG001 - the client is stubbed first
    """A store on that client."""
    return S3Objects(LOCATION, client=client, chunk_bytes=4)


def uses(objects: S3Objects) -> dict[Callable[[], object], str]:
    """Every use that sends something, with its operation."""
    return {
        lambda: objects.version(NAME): "head_object",
        lambda: list(objects.chunks(NAME, '"etag"')): "get_object",
        lambda: objects.read(NAME, '"etag"', start=2, stop=9): "get_object",
        lambda: objects.write_once(NAME, b"bytes"): "put_object",
    }


def body(content: bytes, *, length: int | None = None) -> dict[str, Any]:
    """An answer with a body, which may be shorter than it should be."""
    return {"Body": StreamingBody(BytesIO(content), len(content) if length is None else length)}


def test_client_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's three attempts end before a function or a gateway does."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config: Any = make_client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_client_is_made_on_first_use(monkeypatch: pytest.MonkeyPatch, client: "S3Client", stubber: Stubber) -> None:
    """No client is made for names that are refused, and one for all that are not."""
    made: list[S3Client] = []

    def make() -> "S3Client":
        made.append(client)
        return client

    monkeypatch.setattr("handler.stores.s3.make_client", make)
    objects = S3Objects(LOCATION)
    with pytest.raises(SourceNotFoundError):
        objects.version("s3://elsewhere/a")
    assert made == []
    for _ in range(2):
        stubber.add_response("head_object", {"ETag": '"etag"'}, PLACE)
        assert objects.version(NAME) == '"etag"'
    assert made == [client]


def test_reads_are_pinned_and_writes_are_new(stubber: Stubber, objects: S3Objects) -> None:
    """A read asks for its bytes alone, of its version alone; a write is refused where a file is."""
    stubber.add_response("get_object", body(b"in pieces"), PINNED)
    assert list(objects.chunks(NAME, '"etag"')) == [b"in p", b"iece", b"s"]
    stubber.add_response("get_object", body(b"pieces"), {**PINNED, "Range": "bytes=3-8"})
    assert objects.read(NAME, '"etag"', start=3, stop=9) == b"pieces"
    stubber.add_response("put_object", {}, {**PLACE, "Body": b"bytes", "IfNoneMatch": "*"})
    objects.write_once(NAME, b"bytes")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, SourceNotFoundError),
        (404, SourceNotFoundError),
        (416, SourceNotFoundError),
        (400, StoreUnavailableError),
        (409, StoreUnavailableError),
        (500, StoreUnavailableError),
        (503, StoreUnavailableError),
    ],
)
def test_errors_of_the_service(stubber: Stubber, objects: S3Objects, status: int, error: type[Exception]) -> None:
    """What may not be read or is not there is not found; whatever else fails may be tried again. Neither quotes S3."""
    for use, operation in uses(objects).items():
        stubber.add_client_error(operation, "Code", "about Once upon a time", http_status_code=status)
        with pytest.raises(error) as failed:
            use()
        assert str(failed.value) == str(error())


def test_failed_precondition(stubber: Stubber, objects: S3Objects) -> None:
    """A read of another version is not found; a file that is there already has been written."""
    for use, operation in uses(objects).items():
        stubber.add_client_error(operation, "PreconditionFailed", http_status_code=412)
        if operation == "put_object":
            use()
            continue
        with pytest.raises(SourceNotFoundError):
            use()


class BrokenStream(BytesIO):
    """A stream that breaks after its first bytes."""

    def __init__(self, error: Exception) -> None:
        super().__init__(b"some")
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        """The first bytes, then the error."""
        if size is None or self.tell():
            raise self._error
        return super().read(size)


@pytest.mark.parametrize(
    "error",
    [ProtocolError("reset"), ReadTimeoutError(None, None, "slow"), SSLError("bad record")],  # type: ignore[arg-type] # no pool
    ids=lambda error: type(error).__name__,
)
def test_broken_body_is_unavailable(stubber: Stubber, objects: S3Objects, error: Exception) -> None:
    """A body that breaks off in its midst gives the bytes before it, and then the store does not answer."""
    stubber.add_response("get_object", {"Body": StreamingBody(BrokenStream(error), 100)})
    chunks = objects.chunks(NAME, '"etag"')
    assert next(chunks) == b"some"
    with pytest.raises(StoreUnavailableError):
        next(chunks)
    stubber.add_response("get_object", {"Body": StreamingBody(BrokenStream(error), 100)})
    with pytest.raises(StoreUnavailableError):
        objects.read(NAME, '"etag"', start=0, stop=100)


def test_short_body_is_unavailable(stubber: Stubber, objects: S3Objects) -> None:
    """A body that ends before its length is not taken for the whole."""
    for use in list(uses(objects))[1:3]:
        stubber.add_response("get_object", body(b"some", length=9))
        with pytest.raises(StoreUnavailableError):
            use()


def test_stream_is_closed_when_it_is_left(stubber: Stubber, objects: S3Objects) -> None:
    """Who stops reading in the midst of a file leaves no connection open."""
    answer = body(b"in pieces")
    stubber.add_response("get_object", answer)
    chunks = iter(objects.chunks(NAME, '"etag"'))
    next(chunks)
    del chunks
    assert answer["Body"]._raw_stream.closed


@pytest.mark.parametrize("listens", [False, True])
def test_a_service_that_does_not_answer(listens: bool) -> None:
    """Where nothing listens, or what listens says nothing, every use raises StoreUnavailableError."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        config = Config(connect_timeout=0.2, read_timeout=0.2, retries={"total_max_attempts": 1})
        objects = S3Objects(LOCATION, client=local_session().client("s3", endpoint_url=endpoint, config=config))
        for use in uses(objects):
            with pytest.raises(StoreUnavailableError):
                use()
