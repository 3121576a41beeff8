"""What a DynamoDB client sends, and answers that moto never gives: conflicts, lost answers and races."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NO_REASON = {"Code": "None"}
CONDITION_FAILED = {"Code": "ConditionalCheckFailed"}
CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}


class SentRequests(list[tuple[str, dict[str, Any]]]):
    """The operations and bodies of the requests that a client sends from now on."""

    def __init__(self, client: "DynamoDBClient") -> None:
        client.meta.events.register("before-call.dynamodb", self._note)

    def _note(self, model: Any, params: dict[str, Any], **_: object) -> None:
        self.append((model.name, json.loads(params["body"])))

    def of(self, operation: str) -> list[dict[str, Any]]:
        """The bodies of one kind of request."""
        return [body for name, body in self if name == operation]


def cancel(stubber: Stubber, *reasons: dict[str, Any]) -> None:
    """Let the next transaction be cancelled for these reasons."""
    stubber.add_client_error(
        "transact_write_items",
        service_error_code="TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": list(reasons)},
    )


def before_next(monkeypatch: pytest.MonkeyPatch, client: "DynamoDBClient", method: str, act: Callable[[], object]) -> None:
    """Do something just before the next call of the client's method is sent, and after its caller has decided on it."""
    send = getattr(client, method)

    def interrupted(**request: Any) -> object:
        monkeypatch.setattr(client, method, send)
        act()
        return send(**request)

    monkeypatch.setattr(client, method, interrupted)


def lose_request(monkeypatch: pytest.MonkeyPatch, client: "DynamoDBClient", method: str) -> None:
    """Let nothing come of the client's method from now on."""

    def lose(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="nowhere")

    monkeypatch.setattr(client, method, lose)


def lose_answer(monkeypatch: pytest.MonkeyPatch, client: "DynamoDBClient", method: str) -> None:
    """Let the client's method be carried out and its answer be lost from now on."""
    send = getattr(client, method)

    def lose(**request: Any) -> None:
        send(**request)
        raise ReadTimeoutError(endpoint_url="nowhere")

    monkeypatch.setattr(client, method, lose)
