"""What the DynamoDB store sends, and what it makes of the errors that come back."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from handler.stores.dynamodb import DynamoDbSessionStore, make_client
from handler.wheel.errors import SessionNotFoundError, StoreUnavailableError, VersionConflictError
from handler.wheel.ledger import Ledger, Write
from handler.wheel.session import SessionStore
from handler.wheel.token_wheel import TokenWheel
from model_layer.language_model import LanguageModel
from tests.api_client import make_application
from tests.contract.session_values import (
    TABLE,
    SetClock,
    appended,
    dynamodb_client,
    local_session,
    new_answer,
    new_session,
    new_turn,
)
from tests.dynamodb_requests import CONFLICT, NO_REASON, SentRequests, cancel
from tests.tiny_sessions import OneModel

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def client() -> Iterator["DynamoDBClient"]:
    """A client of moto's DynamoDB with the table made."""
    with dynamodb_client() as made:
        yield made


@pytest.fixture
def store(client: "DynamoDBClient") -> DynamoDbSessionStore:
    """A store on that client, at noon."""
    return DynamoDbSessionStore(TABLE, clock=SetClock(), client=client)


@pytest.fixture
def silent_client() -> "DynamoDBClient":
    """A client that makes one attempt, for the stubber."""
    return local_session().client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def stubber(silent_client: "DynamoDBClient") -> Iterator[Stubber]:
    """The answers of that client, given beforehand; nothing is sent."""
    with Stubber(silent_client) as stubbed:
        yield stubbed


@pytest.fixture
def stubbed_store(silent_client: "DynamoDBClient") -> DynamoDbSessionStore:
    """A store on that client."""
    return DynamoDbSessionStore(TABLE, clock=SetClock(), client=silent_client)


def commit_one_turn(store: SessionStore) -> None:
    """Commit a turn without an answer."""
    before = new_session()
    after, turn = appended(before, 4)
    store.commit(before, after, turn=turn)


def test_client_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client connects within 1 s, reads within 2 s, and makes 3 attempts in standard mode."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config: Any = make_client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_commit_is_one_conditioned_transaction(client: "DynamoDBClient", store: DynamoDbSessionStore) -> None:
    """A commit is a single request: the head if version and expiry allow it, the turn, and the answer if its key is free."""
    before = new_session()
    after, turn = appended(before, 4)
    store.create(before)
    sent = SentRequests(client)
    store.commit(before, after, turn=turn, answer=new_answer(before.id))
    [(operation, body)] = sent
    assert operation == "TransactWriteItems"
    head, turn_put, answer_put = (write["Put"] for write in body["TransactItems"])
    noon = {"N": str(int(SetClock().now.timestamp()))}
    assert head["ConditionExpression"] == "version = :version AND looks = :looks AND expires_at_epoch_s > :now"
    assert head["ExpressionAttributeValues"] == {":version": {"N": "0"}, ":looks": {"N": "0"}, ":now": noon}
    assert turn_put["Item"]["sk"] == {"S": "TURN#000000"}
    assert answer_put["ConditionExpression"] == "attribute_not_exists(pk) OR expires_at_epoch_s <= :now"
    assert answer_put["Item"]["sk"] == {"S": f"ANSWER#{new_answer('').key_hash}"}
    assert body["ClientRequestToken"]


def test_reads_are_consistent(client: "DynamoDBClient", store: DynamoDbSessionStore) -> None:
    """Every read asks for what was last written."""
    session, turn = appended(new_session(), 4)
    store.create(session, [turn])
    sent = SentRequests(client)
    store.load(session.id)
    store.turns(session.id, start=0, stop=1)
    store.find_answer(session.id, "5f2c")
    assert [operation for operation, _ in sent] == ["GetItem", "GetItem", "Query", "GetItem"]
    assert all(body["ConsistentRead"] for _, body in sent)


def test_items_hold_integers_only_as_numbers(client: "DynamoDBClient", store: DynamoDbSessionStore) -> None:
    """No float is ever a DynamoDB number, whose decimals are not those of a double."""
    before = new_session()
    after, turn = appended(before, 4)
    store.create(before, answer=new_answer("sessions"))
    store.commit(before, after, turn=turn, answer=new_answer(before.id))
    numbers = [value["N"] for item in client.scan(TableName=TABLE)["Items"] for value in item.values() if "N" in value]
    assert len(numbers) == 6
    assert all(number.isdecimal() for number in numbers)


def test_turns_outlive_their_head(client: "DynamoDBClient", store: DynamoDbSessionStore) -> None:
    """DynamoDB removes no turn before its session can have expired, a week after it was created."""
    session, turn = appended(new_session(), 4)
    store.create(session, [turn])
    expiries = {item["sk"]["S"]: int(item["expires_at_epoch_s"]["N"]) for item in client.scan(TableName=TABLE)["Items"]}
    assert expiries["TURN#000000"] == int(session.created_at.timestamp()) + 7 * 86_400
    assert expiries["HEAD"] == session.expires_at_epoch_s


def test_the_application_keeps_turns_as_long_as_its_sessions(
    client: "DynamoDBClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns live for the greatest age that the settings allow a session."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = {"session_store": "dynamodb", "sessions_table": TABLE, "session_max_age_s": 20 * 86_400}
    session, turn = appended(new_session(), 4)
    make_application(tmp_path, clock=SetClock(), **settings).store.create(session, [turn])
    expiries = {item["sk"]["S"]: int(item["expires_at_epoch_s"]["N"]) for item in client.scan(TableName=TABLE)["Items"]}
    assert expiries["TURN#000000"] == int(session.created_at.timestamp()) + 20 * 86_400


def delete_half(monkeypatch: pytest.MonkeyPatch, client: "DynamoDBClient", delete: Callable[[], object]) -> None:
    """Delete a session while no batch can be written."""

    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="nowhere")

    with monkeypatch.context() as patched:
        patched.setattr(client, "batch_write_item", refuse)
        with pytest.raises(StoreUnavailableError):
            delete()


def test_the_next_delete_finishes_one_that_failed_half_way(
    client: "DynamoDBClient", store: DynamoDbSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the session is gone, and then nothing of it is left but the answer to the first delete."""
    before = new_session()
    after, turn = appended(before, 4)
    store.create(before)
    store.commit(before, after, turn=turn, answer=new_answer(before.id))
    goodbye = new_answer(before.id, "33")
    delete_half(monkeypatch, client, lambda: store.delete(before.id, answer=goodbye))
    assert client.scan(TableName=TABLE)["Count"] == 3
    with pytest.raises(SessionNotFoundError):
        store.delete(before.id)
    assert client.scan(TableName=TABLE)["Count"] == 1
    assert store.find_answer(before.id, "33") == goodbye


def test_a_retry_of_a_delete_that_failed_half_way_finishes_it(
    client: "DynamoDBClient", store: DynamoDbSessionStore, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retry gets the answer that was kept, and nothing else of the session is left."""
    ledger = Ledger(store, TokenWheel(OneModel(model), clock=SetClock()))
    session, turn = appended(new_session(), 4)
    store.create(session, [turn])

    def delete() -> str:
        return ledger.delete(session.id, lambda gone: gone.id, Write(key_hash="k", fingerprint="delete"))

    delete_half(monkeypatch, client, delete)
    assert client.scan(TableName=TABLE)["Count"] == 2
    assert delete() == session.id
    [left] = client.scan(TableName=TABLE)["Items"]
    assert left["sk"] == {"S": "ANSWER#k"}


def test_fork_turns_come_before_the_head(client: "DynamoDBClient", store: DynamoDbSessionStore) -> None:
    """The turns of a fork are written in batches of 25 before its head makes them reachable."""
    session = new_session()
    sent = SentRequests(client)
    store.create(session, [new_turn(index, 1) for index in range(30)])
    assert [operation for operation, _ in sent] == ["BatchWriteItem", "BatchWriteItem", "TransactWriteItems"]
    assert [len(body["RequestItems"][TABLE]) for operation, body in sent if operation == "BatchWriteItem"] == [25, 5]


def test_unprocessed_turns_are_sent_again(stubber: Stubber, stubbed_store: DynamoDbSessionStore) -> None:
    """What a batch leaves undone is sent again before the head is written."""
    left = {TABLE: [{"DeleteRequest": {"Key": {"pk": {"S": "SESSION#x"}, "sk": {"S": "TURN#000000"}}}}]}
    stubber.add_response("batch_write_item", {"UnprocessedItems": left})
    stubber.add_response("batch_write_item", {"UnprocessedItems": {}}, expected_params={"RequestItems": left})
    stubber.add_response("transact_write_items", {})
    stubbed_store.create(new_session(), [new_turn(0, 1)])
    stubber.assert_no_pending_responses()


def test_batches_that_are_never_done_end(stubber: Stubber, stubbed_store: DynamoDbSessionStore) -> None:
    """A batch that DynamoDB keeps leaving undone makes the store unavailable, and no head is written."""
    left = {TABLE: [{"DeleteRequest": {"Key": {"pk": {"S": "SESSION#x"}, "sk": {"S": "TURN#000000"}}}}]}
    for _ in range(5):
        stubber.add_response("batch_write_item", {"UnprocessedItems": left})
    with pytest.raises(StoreUnavailableError):
        stubbed_store.create(new_session(), [new_turn(0, 1)])
    stubber.assert_no_pending_responses()


def test_conflicting_transaction_is_repeated(stubber: Stubber, stubbed_store: DynamoDbSessionStore) -> None:
    """A transaction that met another one is made again, and succeeds when the other has gone."""
    cancel(stubber, CONFLICT, NO_REASON)
    cancel(stubber, NO_REASON, CONFLICT)
    stubber.add_response("transact_write_items", {})
    commit_one_turn(stubbed_store)
    stubber.assert_no_pending_responses()


def test_conflict_then_lost_race(stubber: Stubber, stubbed_store: DynamoDbSessionStore) -> None:
    """When the other transaction won, the repeated one finds its version gone."""
    winner = {"version": {"N": "1"}, "expires_at_epoch_s": {"N": "9999999999"}}
    cancel(stubber, CONFLICT, NO_REASON)
    cancel(stubber, {"Code": "ConditionalCheckFailed", "Item": winner}, NO_REASON)
    with pytest.raises(VersionConflictError) as refused:
        commit_one_turn(stubbed_store)
    assert refused.value.current_version == 1


def test_endless_conflict_ends(stubber: Stubber, stubbed_store: DynamoDbSessionStore) -> None:
    """A transaction is made at most five times."""
    for _ in range(5):
        cancel(stubber, CONFLICT, NO_REASON)
    with pytest.raises(StoreUnavailableError):
        commit_one_turn(stubbed_store)
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "ItemCollectionSizeLimitExceeded"])
def test_transaction_cancelled_otherwise(stubber: Stubber, stubbed_store: DynamoDbSessionStore, code: str) -> None:
    """A transaction cancelled for want of capacity is no conflict: the store is unavailable."""
    cancel(stubber, {"Code": code}, NO_REASON)
    with pytest.raises(StoreUnavailableError):
        commit_one_turn(stubbed_store)
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"])
def test_errors_of_the_service(stubber: Stubber, stubbed_store: DynamoDbSessionStore, code: str) -> None:
    """Every error of the service is StoreUnavailableError, which names neither the error nor what was sent."""
    for method in ("transact_write_items", "get_item"):
        stubber.add_client_error(method, service_error_code=code, service_message="about Once upon a time")
    with pytest.raises(StoreUnavailableError) as written:
        commit_one_turn(stubbed_store)
    with pytest.raises(StoreUnavailableError) as read:
        stubbed_store.load("x")
    assert str(written.value) == str(read.value) == str(StoreUnavailableError())


def test_unreachable_service() -> None:
    """When nothing listens at the endpoint, every method raises StoreUnavailableError."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        config = Config(connect_timeout=0.2, read_timeout=0.2, retries={"total_max_attempts": 1})
        client = local_session().client("dynamodb", endpoint_url=endpoint, config=config)
        store = DynamoDbSessionStore(TABLE, clock=SetClock(), client=client)
        session, turn = appended(new_session(), 1)
        for use in (
            lambda: store.create(session),
            lambda: store.create(session, [turn]),
            lambda: store.load(session.id),
            lambda: store.turns(session.id, start=0, stop=1),
            lambda: store.commit(session, session, turn=turn),
            lambda: store.delete(session.id),
            lambda: store.find_answer(session.id, "5f2c"),
            store.check,
        ):
            with pytest.raises(StoreUnavailableError):
                use()


def test_only_the_dynamodb_store_imports_boto3() -> None:
    """The embedded store, and all that both stores share, run without boto3."""
    code = "import sys, handler.stores.sqlite, handler.stores.dynamodb_items; sys.exit('boto3' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
