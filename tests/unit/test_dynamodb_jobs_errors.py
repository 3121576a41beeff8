"""What the DynamoDB store of jobs makes of conflicts, throttling and half-done batches: answers that moto never gives."""

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from handler.jobs.job import Job
from handler.stores.dynamodb_job_items import head_item
from handler.stores.dynamodb_jobs import DynamoDbJobStore
from handler.wheel.errors import StoreUnavailableError
from tests.contract.job_values import new_job, result
from tests.contract.session_values import TABLE, SetClock, local_session
from tests.dynamodb_requests import CONDITION_FAILED, CONFLICT, NO_REASON, cancel

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ATTEMPTS = 10


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is repeated be repeated at once."""
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def silent_client() -> "DynamoDBClient":
    """A client that makes one attempt, for the stubber."""
    return local_session().client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def stubber(silent_client: "DynamoDBClient") -> Iterator[Stubber]:
    """The answers of that client, given beforehand; nothing is sent, and no answer is left."""
    with Stubber(silent_client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


@pytest.fixture
def stubbed_store(silent_client: "DynamoDBClient") -> DynamoDbJobStore:
    """A store on that client."""
    return DynamoDbJobStore(TABLE, clock=SetClock(), client=silent_client)


def give_head(stubber: Stubber) -> Job:
    """Let the next read find a job's head."""
    job = new_job()
    stubber.add_response("get_item", {"Item": head_item(job, "0")})
    return job


def test_conflicts_are_repeated(stubber: Stubber, stubbed_store: DynamoDbJobStore) -> None:
    """A transaction that meets others goes on until its turn comes, also after it had to drop results."""
    job = give_head(stubber)
    for _ in range(ATTEMPTS - 1):
        cancel(stubber, CONFLICT, NO_REASON, NO_REASON)
    cancel(stubber, CONFLICT, CONDITION_FAILED, NO_REASON)
    for _ in range(ATTEMPTS - 1):
        cancel(stubber, CONFLICT, NO_REASON)
    stubber.add_response("transact_write_items", {})
    stubbed_store.keep(job, [result(0), result(1)])


def test_endless_conflict_ends(stubber: Stubber, stubbed_store: DynamoDbJobStore) -> None:
    """A transaction that meets others every time ends as a store that does not answer."""
    job = give_head(stubber)
    for _ in range(ATTEMPTS):
        cancel(stubber, CONFLICT, NO_REASON)
    with pytest.raises(StoreUnavailableError):
        stubbed_store.keep(job, [result(0)])


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_throttled_transaction_is_unavailable(stubber: Stubber, stubbed_store: DynamoDbJobStore, code: str) -> None:
    """A transaction cancelled for want of capacity is left to the redelivery of its messages."""
    job = give_head(stubber)
    cancel(stubber, NO_REASON, {"Code": code})
    with pytest.raises(StoreUnavailableError):
        stubbed_store.keep(job, [result(0)])


def test_unprocessed_keys_are_read_again(stubber: Stubber, stubbed_store: DynamoDbJobStore) -> None:
    """What a batch leaves unread is asked for again, as it was left, until all is there."""
    job = give_head(stubber)
    keys = [{"pk": {"S": f"JOB#{job.id}"}, "sk": {"S": f"RESULT#0#{index:06d}"}} for index in range(3)]
    left = {TABLE: {"Keys": keys[1:], "ConsistentRead": True, "ProjectionExpression": "pk, sk, given_up"}}
    found = [key | {"given_up": {"N": given_up}} for key, given_up in zip(keys, "001", strict=True)]
    stubber.add_response("batch_get_item", {"Responses": {TABLE: found[:1]}, "UnprocessedKeys": left}, {"RequestItems": ANY})
    stubber.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left}, {"RequestItems": left})
    stubber.add_response("batch_get_item", {"Responses": {TABLE: found[2:]}, "UnprocessedKeys": {}}, {"RequestItems": left})
    assert stubbed_store.kept(job.id, range(3)) == {0: False, 2: True}


def test_batches_that_are_never_read_end(stubber: Stubber, stubbed_store: DynamoDbJobStore) -> None:
    """A batch that DynamoDB keeps leaving unread makes the store unavailable."""
    job = give_head(stubber)
    left = {TABLE: {"Keys": [{"pk": {"S": "JOB#x"}, "sk": {"S": "TASK#0#000000"}}]}}
    for _ in range(ATTEMPTS):
        stubber.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
    with pytest.raises(StoreUnavailableError):
        stubbed_store.tasks(job.id, [0])


def test_unreachable_service() -> None:
    """When nothing listens at the endpoint, every method raises StoreUnavailableError."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        config = Config(connect_timeout=0.2, read_timeout=0.2, retries={"total_max_attempts": 1})
        client = local_session().client("dynamodb", endpoint_url=endpoint, config=config)
        store, job = DynamoDbJobStore(TABLE, clock=SetClock(), client=client), new_job()
        for use in (
            lambda: store.create(new_job()),
            lambda: store.load("x"),
            lambda: store.add_tasks("x", {0: "task"}),
            lambda: store.begin(job, total=1),
            lambda: store.tasks("x", [0]),
            lambda: store.keep(job, [result(0)]),
            lambda: store.kept("x", [0]),
            lambda: store.begin_alone(job, 0),
            lambda: store.results("x", limit=1),
            lambda: store.cancel("x"),
            lambda: store.forget("x"),
            store.check,
        ):
            with pytest.raises(StoreUnavailableError):
                use()
