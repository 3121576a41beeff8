"""Calls of one Lambda function, by a version or an alias."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3.session
from botocore.config import Config

from handler.stores.aws_errors import translated
from handler.wheel.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_READ_TIMEOUT_S = 25  # an environment's start and the time it is held; less than the function that asks has
_MOST_CALLS = 100


def make_client() -> "LambdaClient":
    """A client that calls once: a call repeated by the SDK would hold a second environment."""
    config = Config(
        connect_timeout=1,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=_MOST_CALLS,
    )
    return boto3.session.Session().client("lambda", config=config)


class LambdaFunction:
    """A function by its name or ARN, and the version or alias of it that is called. A client is made on first use."""

    def __init__(self, name: str, *, qualifier: str | None = None, client: "LambdaClient | None" = None) -> None:
        """Without a `qualifier` the name must be an ARN that has one, or the latest version is called."""
        self._called = {"FunctionName": name} if qualifier is None else {"FunctionName": name, "Qualifier": qualifier}
        self._given_client = client

    @cached_property
    def _client(self) -> "LambdaClient":
        return self._given_client or make_client()

    def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The function's answer. Raises StoreUnavailableError when it is throttled, fails or does not answer."""
        with translated():
            answer = self._client.invoke(**self._called, Payload=json.dumps(event).encode())  # type: ignore[arg-type] # keys by name
            content = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or not isinstance(content, dict):
            raise StoreUnavailableError
        return content

    def call_later(self, event: Mapping[str, Any]) -> None:
        """Hand the event in: Lambda calls the function with it soon, perhaps more than once. Raises StoreUnavailableError."""
        with translated():
            payload = json.dumps(event).encode()
            self._client.invoke(**self._called, InvocationType="Event", Payload=payload)  # type: ignore[arg-type] # keys by name

    def call_together(self, event: Mapping[str, Any], times: int) -> list[dict[str, Any] | None]:
        """The answers to as many calls at the same time, so that each has an environment of its own; None for one that failed.

        Raises StoreUnavailableError when this process has no way to call: no region, no credentials.
        """
        with translated():
            _ = self._client  # made before the threads, which would each make one
        with ThreadPoolExecutor(times) as threads:
            return list(threads.map(lambda _: self._call_or_none(event), range(times)))

    def _call_or_none(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return self.call(event)
        except StoreUnavailableError:
            return None
