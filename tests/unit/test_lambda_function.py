"""Calls of a function by its alias: what is sent, and what is made of answers and failures."""

import io
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from handler.stores.lambda_function import LambdaFunction, make_client
from handler.wheel.errors import StoreUnavailableError
from tests.contract.session_values import local_session

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

EVENT = {"warm_up": {"hold_ms": 1}}


@pytest.fixture
def client() -> "LambdaClient":
    """A client for the stubber."""
    return local_session().client("lambda")


@pytest.fixture
def stubber(client: "LambdaClient") -> Iterator[Stubber]:
    """The answers of that client, given beforehand; nothing is sent, and nothing may be left unasked."""
    with Stubber(client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


def answered(content: Any, **more: str) -> dict[str, Any]:
    """An answer of the service."""
    text = json.dumps(content).encode()
    return {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(text), len(text)), **more}


def test_a_call_goes_to_the_alias(client: "LambdaClient", stubber: Stubber) -> None:
    """With the event as its payload; the answer is the function's."""
    sent = {"FunctionName": "wheel", "Qualifier": "live", "Payload": json.dumps(EVENT).encode()}
    stubber.add_response("invoke", answered({"fine": 1}), sent)
    assert LambdaFunction("wheel", qualifier="live", client=client).call(EVENT) == {"fine": 1}


def test_an_arn_needs_no_alias(client: "LambdaClient", stubber: Stubber) -> None:
    """A version's ARN is called as it is."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:wheel:7"
    stubber.add_response("invoke", answered({}), {"FunctionName": arn, "Payload": b"{}"})
    assert LambdaFunction(arn, client=client).call({}) == {}


def test_a_later_call_is_handed_in(client: "LambdaClient", stubber: Stubber) -> None:
    """As an event that Lambda keeps: nobody waits for what comes of it."""
    sent = {"FunctionName": "lab", "InvocationType": "Event", "Payload": b'{"lab_run": "1f0c"}'}
    stubber.add_response("invoke", {"StatusCode": 202}, sent)
    LambdaFunction("lab", client=client).call_later({"lab_run": "1f0c"})


def test_a_later_call_that_is_not_taken_is_unavailable(client: "LambdaClient", stubber: Stubber) -> None:
    """So that whoever hands it in does not take it for done."""
    stubber.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    with pytest.raises(StoreUnavailableError):
        LambdaFunction("lab", client=client).call_later({})


@pytest.mark.parametrize("content", [{"errorMessage": "zebra", "errorType": "X"}, None, "text"])
def test_a_function_that_fails_is_unavailable(client: "LambdaClient", stubber: Stubber, content: Any) -> None:
    """Its words are not repeated."""
    more = {"FunctionError": "Unhandled"} if isinstance(content, dict) else {}
    stubber.add_response("invoke", answered(content, **more))
    with pytest.raises(StoreUnavailableError) as raised:
        LambdaFunction("wheel", qualifier="live", client=client).call(EVENT)
    assert "zebra" not in str(raised.value)


def test_a_throttled_call_is_none_among_the_others(client: "LambdaClient", stubber: Stubber) -> None:
    """One failure spoils no other answer."""
    stubber.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    assert LambdaFunction("wheel", qualifier="live", client=client).call_together(EVENT, 1) == [None]


def test_calls_together_are_under_way_at_once(client: "LambdaClient", monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for all the others: if one came after another, none would ever end."""
    meeting = threading.Barrier(7, timeout=60)

    def meet(**_: Any) -> dict[str, Any]:
        meeting.wait()
        return answered({"fine": 1})

    monkeypatch.setattr(client, "invoke", meet)
    answers = LambdaFunction("wheel", qualifier="live", client=client).call_together(EVENT, 7)
    assert answers == [{"fine": 1}] * 7


def test_the_client_calls_once_and_gives_up_before_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated call would hold a second environment."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config: Any = make_client().meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert config.connect_timeout + config.read_timeout < 28


def test_a_process_that_cannot_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region there is no client, and no error of the SDK's own."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StoreUnavailableError):
        LambdaFunction("wheel", qualifier="live").call_together(EVENT, 2)
