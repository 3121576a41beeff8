"""Requests to one DynamoDB table, and the one place where botocore's errors are translated."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from secrets import SystemRandom
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from handler.stores.dynamodb_items import FoundItem, Item
from handler.wheel.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef, WriteRequestUnionTypeDef

_BATCH_SIZE = 25
# The mean wait after each attempt of what DynamoDB gives back to the caller to repeat, which its SDK does not.
_PAUSES_S = (0.025, 0.05, 0.1, 0.2, 0.4)


class ConditionsFailedError(Exception):
    """Raise when a transaction was refused. `found`: by the write's name, the item whose condition failed, as it stands."""

    def __init__(self, found: Mapping[str, FoundItem]) -> None:
        super().__init__(f"conditions failed: {', '.join(found)}")
        self.found = found


class DynamoDbTable:
    """The table `name`. Every method raises StoreUnavailableError when DynamoDB fails, throttles or does not answer."""

    def __init__(self, name: str, *, connect: Callable[[], "DynamoDBClient"]) -> None:
        """`connect` is called with the first request."""
        self._name = name
        self._connect = connect

    @cached_property
    def _client(self) -> "DynamoDBClient":
        return self._connect()

    def get(self, key: Item) -> FoundItem:
        """The item, read consistently; empty when there is none."""
        with _translated():
            return self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item", {})

    def between(self, first: Item, last: Item) -> list[FoundItem]:
        """The items of one partition from the key `first` to the key `last`, in order, read consistently."""
        with _translated():
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                ExpressionAttributeValues={":pk": first["pk"], ":first": first["sk"], ":last": last["sk"]},
                ConsistentRead=True,
            )
            return [item for page in pages for item in page["Items"]]

    def keys(self, partition: "AttributeValueTypeDef", *, without: str) -> list[FoundItem]:
        """The keys of all items of a partition that have no attribute `without`, read consistently."""
        with _translated():
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": partition},
                FilterExpression=f"attribute_not_exists({without})",
                ProjectionExpression="pk, sk",
                ConsistentRead=True,
            )
            return [item for page in pages for item in page["Items"]]

    def write_all(self, requests: Sequence["WriteRequestUnionTypeDef"]) -> None:
        """Do puts and deletes in batches: each alone is atomic, all together are not."""
        for start in range(0, len(requests), _BATCH_SIZE):
            self._write_batch(requests[start : start + _BATCH_SIZE])

    def _write_batch(self, requests: Sequence["WriteRequestUnionTypeDef"]) -> None:
        left: Mapping[str, Sequence[WriteRequestUnionTypeDef]] = {self._name: requests}
        for pause_s in _PAUSES_S:
            with _translated():
                left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]
            if not left:
                return
            _wait_about(pause_s)
        raise StoreUnavailableError

    def transact(self, writes: Mapping[str, "TransactWriteItemTypeDef"]) -> None:
        """Do all writes or none. Raises ConditionsFailedError, naming the writes that were refused."""
        for pause_s in _PAUSES_S:
            if self._transacted(writes):
                return
            _wait_about(pause_s)
        raise StoreUnavailableError

    def _transacted(self, writes: Mapping[str, "TransactWriteItemTypeDef"]) -> bool:
        """Whether the writes are done; they are not when another transaction is at work on the same items."""
        with _translated():
            try:
                self._client.transact_write_items(TransactItems=list(writes.values()))
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = dict(zip(writes, error.response["CancellationReasons"], strict=True))
                if refused := [name for name, reason in reasons.items() if reason["Code"] == "ConditionalCheckFailed"]:
                    found = {name: cast(FoundItem, reasons[name].get("Item", {})) for name in refused}
                    raise ConditionsFailedError(found) from error
                if not any(reason["Code"] == "TransactionConflict" for reason in reasons.values()):
                    raise
                return False
        return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailableError from error


def _wait_about(mean_s: float) -> None:
    """Wait from 0 to twice the mean, so that those who met do not meet again."""
    time.sleep(SystemRandom().uniform(0, 2 * mean_s))
