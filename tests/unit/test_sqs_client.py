"""What the SQS queue sends, and what it makes of the answers and errors that come back."""

import socket
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from handler.jobs.job import Delivery, Message
from handler.jobs.message import message_text
from handler.stores.aws_errors import PAUSES_S
from handler.stores.sqs_queue import SqsJobQueue, make_client
from handler.wheel.errors import StoreUnavailableError
from tests.contract.queue_values import JOB_ID, indices, messages
from tests.contract.session_values import local_session

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/tasks"
HELD = [Delivery(Message(JOB_ID, index), 1, f"receipt {index}") for index in range(3)]
ONE_ATTEMPT: dict[str, Any] = {"connect_timeout": 0.2, "read_timeout": 0.2, "retries": {"total_max_attempts": 1}}
Method = Literal["extend", "finish", "release", "put_back"]
OPERATIONS: dict[Method, str] = {
    "extend": "change_message_visibility_batch",
    "finish": "delete_message_batch",
    "release": "change_message_visibility_batch",
    "put_back": "change_message_visibility_batch",
}


@pytest.fixture
def client() -> "SQSClient":
    """A client that makes one attempt, for the stubber."""
    return local_session().client("sqs", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def stubber(client: "SQSClient") -> Iterator[Stubber]:
    """The answers of that client, given beforehand; nothing is sent, and nothing may be left unasked."""
    with Stubber(client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


@pytest.fixture
def queue(client: "SQSClient", stubber: Stubber) -> SqsJobQueue:  # noqa: ARG001 - the client is stubbed first
    """A queue on that client."""
    return SqsJobQueue(URL, client=client, lease_s=90)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for, none of which is made."""
    asked: list[float] = []
    monkeypatch.setattr("handler.stores.sqs_queue.wait_about", asked.append)
    return asked


def answer(ids: Sequence[str] = (), *, failed: Sequence[str] = (), code: str = "InternalError", ours: bool = False) -> Any:
    """The answer to a batch."""
    failures = [{"Id": failure, "Code": code, "SenderFault": ours, "Message": "Once upon a time"} for failure in failed]
    return {"Successful": [{"Id": done, "MessageId": "m", "MD5OfMessageBody": "0"} for done in ids], "Failed": failures}


def done(ids: Sequence[str] = (), **failed: Any) -> Any:
    """The answer to a batch of receipts."""
    return answer(**failed) | {"Successful": [{"Id": each} for each in ids]}


def sent(*numbers: int) -> dict[str, Any]:
    """The request that sends these of the messages."""
    bodies = {number: message_text(Message(JOB_ID, number)) for number in numbers}
    entries = [{"Id": str(number), "MessageBody": body, "MessageGroupId": JOB_ID} for number, body in bodies.items()]
    return {"QueueUrl": URL, "Entries": entries}


def received(*numbers: int) -> Any:
    """The answer to a receive."""
    return {
        "Messages": [
            {
                "MessageId": "m",
                "Body": message_text(Message(JOB_ID, number)),
                "ReceiptHandle": f"receipt {number}",
                "Attributes": {"ApproximateReceiveCount": "4"},
            }
            for number in numbers
        ]
    }


def asked(most: int, wait_s: int = 0) -> dict[str, Any]:
    """The request for messages."""
    return {
        "QueueUrl": URL,
        "MaxNumberOfMessages": most,
        "WaitTimeSeconds": wait_s,
        "VisibilityTimeout": 90,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
    }


@pytest.mark.parametrize(("polls", "read_timeout_s"), [(False, 2), (True, 22)])
def test_clients_give_up_in_time(monkeypatch: pytest.MonkeyPatch, polls: bool, read_timeout_s: int) -> None:
    """A client connects within 1 s, reads within 2 s beyond what SQS may wait, and makes 3 attempts in standard mode."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config: Any = make_client(polls=polls).meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, read_timeout_s)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_only_receives_may_take_long(client: "SQSClient", stubber: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a receive uses the client that waits as long as SQS may hold back an answer; each is made once."""
    made: list[bool] = []

    def make(*, polls: bool = False) -> "SQSClient":
        made.append(polls)
        return client

    monkeypatch.setattr("handler.stores.sqs_queue.make_client", make)
    queue = SqsJobQueue(URL)
    for _ in range(2):
        stubber.add_response("send_message_batch", answer("0"))
        queue.send(messages(1))
        for method, operation in OPERATIONS.items():
            stubber.add_response(operation, done("012"))
            getattr(queue, method)(HELD)
    assert made == [False]
    for _ in range(2):
        stubber.add_response("receive_message", {})
        queue.receive(1)
    assert made == [False, True]


def test_messages_are_sent_ten_a_request(stubber: Stubber, queue: SqsJobQueue) -> None:
    """Each message is sent once, with as few requests as SQS allows."""
    for numbers in (range(10), range(10, 20), range(20, 23)):
        stubber.add_response("send_message_batch", answer([str(number) for number in numbers]), sent(*numbers))
    queue.send(messages(23))


def test_each_job_is_a_group(stubber: Stubber, queue: SqsJobQueue) -> None:
    """Messages carry the id of their job as their group, by which SQS keeps a large job from holding up small ones."""
    other = "0c5e2b9d-9d3b-4f10-8a77-6f1c2a344411"
    sent_messages = [Message(JOB_ID, None), Message(other, 0)]
    entries = [
        {"Id": str(number), "MessageBody": message_text(message), "MessageGroupId": message.job_id}
        for number, message in enumerate(sent_messages)
    ]
    stubber.add_response("send_message_batch", answer("01"), {"QueueUrl": URL, "Entries": entries})
    queue.send(sent_messages)


def test_what_sqs_failed_to_take_is_sent_again(stubber: Stubber, queue: SqsJobQueue, no_pauses: list[float]) -> None:
    """Of a batch only what failed is repeated, after a pause each time."""
    stubber.add_response("send_message_batch", answer("02", failed="13"), sent(0, 1, 2, 3))
    stubber.add_response("send_message_batch", answer("3", failed="1"), sent(1, 3))
    stubber.add_response("send_message_batch", answer("1"), sent(1))
    queue.send(messages(4))
    assert no_pauses == list(PAUSES_S[:2])


def test_what_sqs_never_takes_ends(stubber: Stubber, queue: SqsJobQueue, no_pauses: list[float]) -> None:
    """A message that keeps failing makes the queue unavailable, and the batches after it are not sent."""
    stubber.add_response("send_message_batch", answer(failed="0"), {"QueueUrl": URL, "Entries": ANY})
    for _ in PAUSES_S[1:]:
        stubber.add_response("send_message_batch", answer(failed="0"), sent(0))
    with pytest.raises(StoreUnavailableError):
        queue.send(messages(11))
    assert no_pauses == list(PAUSES_S)


def test_what_sqs_refuses_to_take_is_told(stubber: Stubber, queue: SqsJobQueue, no_pauses: list[float]) -> None:
    """A message that was refused as our fault was not queued, and is not sent again; the error quotes nothing."""
    stubber.add_response("send_message_batch", answer("1", failed="0", code="InvalidMessageContents", ours=True))
    with pytest.raises(StoreUnavailableError) as refused:
        queue.send(messages(2))
    assert str(refused.value) == str(StoreUnavailableError())
    assert no_pauses == []


@pytest.mark.parametrize("method", list(OPERATIONS))
@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "AWS.SimpleQueueService.MessageNotInflight"])
def test_a_receipt_that_has_expired_is_passed_over(
    stubber: Stubber, queue: SqsJobQueue, method: Method, code: str, no_pauses: list[float]
) -> None:
    """A message that is gone or was received again is no error, and no reason to repeat."""
    stubber.add_response(OPERATIONS[method], done("02", failed="1", code=code, ours=True))
    getattr(queue, method)(HELD)
    assert no_pauses == []


@pytest.mark.parametrize("method", list(OPERATIONS))
def test_receipts_that_sqs_failed_at_are_sent_again(stubber: Stubber, queue: SqsJobQueue, method: Method) -> None:
    """What failed by SQS's fault is repeated, while what is expired beside it is not; when it never ends, it is told."""
    stubber.add_response(OPERATIONS[method], done("0", failed="12"))
    again = {"QueueUrl": URL, "Entries": [entry(method, 1), entry(method, 2)]}
    stubber.add_response(OPERATIONS[method], done("12"), again)
    getattr(queue, method)(HELD)
    for _ in PAUSES_S:
        stubber.add_response(OPERATIONS[method], done("12", failed="0"))
    with pytest.raises(StoreUnavailableError):
        getattr(queue, method)(HELD)


def entry(method: Method, number: int) -> dict[str, Any]:
    """What is asked for one receipt."""
    receipt = {"Id": str(number), "ReceiptHandle": f"receipt {number}"}
    visible_at_once = {"VisibilityTimeout": 0}
    asked = {"extend": {"VisibilityTimeout": 90}, "finish": {}, "release": visible_at_once, "put_back": visible_at_once}
    return receipt | asked[method]


def test_receives_go_on_until_enough_came(stubber: Stubber, queue: SqsJobQueue) -> None:
    """Ten at most are asked for at a time, and never more than are wanted."""
    stubber.add_response("receive_message", received(*range(10)), asked(10))
    stubber.add_response("receive_message", received(10, 11), asked(3))
    stubber.add_response("receive_message", received(12), asked(1))
    deliveries = queue.receive(13)
    assert indices(deliveries) == list(range(13))
    assert {delivery.receives for delivery in deliveries} == {4}


def test_only_the_first_request_waits(stubber: Stubber, queue: SqsJobQueue) -> None:
    """What has come is given at once, with what else there is."""
    stubber.add_response("receive_message", received(0), asked(10, wait_s=2))
    stubber.add_response("receive_message", {}, asked(9))
    assert indices(queue.receive(10, wait_s=1.5)) == [0]


def test_long_waits_are_several_polls(stubber: Stubber, queue: SqsJobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS waits 20 s at most: who waits longer asks again for what is left, and then gives up."""
    monkeypatch.setattr("handler.stores.sqs_queue.time", SimpleNamespace(monotonic=iter([0, 0, 20, 40]).__next__))
    for wait_s in (20, 20, 5):
        stubber.add_response("receive_message", {}, asked(10, wait_s=wait_s))
    assert queue.receive(10, wait_s=45) == []


@pytest.mark.parametrize("code", ["RequestThrottled", "OverLimit", "AWS.SimpleQueueService.NonExistentQueue", "InternalError"])
def test_errors_of_the_service(stubber: Stubber, queue: SqsJobQueue, code: str) -> None:
    """Every error of the service is StoreUnavailableError, which names neither the error nor what was sent."""
    for method, use in uses(queue).items():
        stubber.add_client_error(method, service_error_code=code, service_message="about Once upon a time")
        with pytest.raises(StoreUnavailableError) as failed:
            use()
        assert str(failed.value) == str(StoreUnavailableError())


def uses(queue: SqsJobQueue) -> dict[str, Any]:
    """A use of each operation."""
    return {
        "send_message_batch": lambda: queue.send(messages(1)),
        "receive_message": lambda: queue.receive(1),
        "change_message_visibility_batch": lambda: queue.extend(HELD),
        "delete_message_batch": lambda: queue.finish(HELD),
    }


def local_queue(server: socket.socket) -> SqsJobQueue:
    """A queue at a local socket, with a client that gives up at once."""
    endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    client = local_session().client("sqs", endpoint_url=endpoint, config=Config(**ONE_ATTEMPT))
    return SqsJobQueue(f"{endpoint}/1/tasks", client=client)


@pytest.mark.parametrize("listens", [False, True])
def test_a_service_that_does_not_answer(listens: bool) -> None:
    """Where nothing listens, or what listens says nothing, every method raises StoreUnavailableError."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        queue = local_queue(server)
        for use in (*uses(queue).values(), lambda: queue.release(HELD), lambda: queue.put_back(HELD)):
            with pytest.raises(StoreUnavailableError):
                use()
