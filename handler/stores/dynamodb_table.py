"""Requests to one DynamoDB table, repeated where DynamoDB asks for that."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from handler.stores.aws_errors import PAUSES_S, translated, wait_about
from handler.stores.dynamodb_items import FoundItem, Item
from handler.wheel.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        KeysAndAttributesTypeDef,
        TransactWriteItemTypeDef,
        WriteRequestUnionTypeDef,
    )

_WRITES_A_BATCH = 25
_READS_A_BATCH = 100


class ConditionsFailedError(Exception):
    """Raise when writes were refused. `found`: by the write's name, the item whose condition failed, as it stands."""

    def __init__(self, found: Mapping[str, FoundItem]) -> None:
        super().__init__(f"conditions failed: {', '.join(found)}")
        self.found = found


class DynamoDbTable:
    """The table `name`. Every method raises StoreUnavailableError when DynamoDB fails, throttles or does not answer."""

    def __init__(self, name: str, *, connect: Callable[[], "DynamoDBClient"], pauses_s: Sequence[float] = PAUSES_S) -> None:
        """`connect` is called with the first request. There is an attempt, and a mean wait after it, for each of `pauses_s`."""
        self._name = name
        self._connect = connect
        self._pauses_s = pauses_s

    @cached_property
    def _client(self) -> "DynamoDBClient":
        return self._connect()

    def get(self, key: Item) -> FoundItem:
        """The item, read consistently; empty when there is none."""
        with translated():
            return self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item", {})

    def get_all(self, keys: Sequence[Item], *, attributes: str | None = None) -> list[FoundItem]:
        """The items, or these attributes of them, that there are of these different keys, in any order, read consistently."""
        wanted: KeysAndAttributesTypeDef = {"Keys": (), "ConsistentRead": True}
        if attributes is not None:
            wanted["ProjectionExpression"] = attributes
        batches = [keys[start : start + _READS_A_BATCH] for start in range(0, len(keys), _READS_A_BATCH)]
        return [item for batch in batches for item in self._get_batch({**wanted, "Keys": batch})]

    def _get_batch(self, wanted: "KeysAndAttributesTypeDef") -> list[FoundItem]:
        found: list[FoundItem] = []
        left: Mapping[str, KeysAndAttributesTypeDef] = {self._name: wanted}
        for pause_s in self._pauses_s:
            with translated():
                answer = self._client.batch_get_item(RequestItems=left)
            found += answer["Responses"].get(self._name, [])
            left = cast("Mapping[str, KeysAndAttributesTypeDef]", answer["UnprocessedKeys"])
            if not left:
                return found
            wait_about(pause_s)
        raise StoreUnavailableError

    def add_one(self, key: Item, counter: str) -> int:
        """Count up an attribute of an item; what it is then. A retry of a lost answer may count twice.

        Raises ConditionsFailedError when there is no such item.
        """
        with translated():
            try:
                answer = self._client.update_item(
                    TableName=self._name,
                    Key=key,
                    UpdateExpression=f"ADD {counter} :one",
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                    ReturnValues="UPDATED_NEW",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise ConditionsFailedError({counter: {}}) from error
        return int(answer["Attributes"][counter]["N"])

    def between(self, first: Item, last: Item, *, limit: int | None = None, attributes: str | None = None) -> list[FoundItem]:
        """The first `limit` items of one partition, or these attributes of them, from key `first` to key `last`, in order."""
        values = {":pk": first["pk"], ":first": first["sk"], ":last": last["sk"]}
        options = {} if attributes is None else {"ProjectionExpression": attributes}
        pages = {"MaxItems": limit, "PageSize": limit}
        return self._query("pk = :pk AND sk BETWEEN :first AND :last", values, PaginationConfig=pages, **options)

    def keys(self, partition: "AttributeValueTypeDef", *, without: str) -> list[FoundItem]:
        """The keys of all items of a partition that have no attribute `without`."""
        wanted = f"attribute_not_exists({without})"
        return self._query("pk = :pk", {":pk": partition}, ProjectionExpression="pk, sk", FilterExpression=wanted)

    def _query(self, condition: str, values: Item, **options: Any) -> list[FoundItem]:
        """The items whose keys meet the condition, in order, read consistently."""
        with translated():
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                **options,
            )
            return [item for page in pages for item in page["Items"]]

    def write_all(self, requests: Sequence["WriteRequestUnionTypeDef"]) -> None:
        """Do puts and deletes in batches: each alone is atomic, all together are not."""
        for start in range(0, len(requests), _WRITES_A_BATCH):
            self._write_batch(requests[start : start + _WRITES_A_BATCH])

    def _write_batch(self, requests: Sequence["WriteRequestUnionTypeDef"]) -> None:
        left: Mapping[str, Sequence[WriteRequestUnionTypeDef]] = {self._name: requests}
        for pause_s in self._pauses_s:
            with translated():
                left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]
            if not left:
                return
            wait_about(pause_s)
        raise StoreUnavailableError

    def transact(self, writes: Mapping[str, "TransactWriteItemTypeDef"]) -> None:
        """Do all writes or none. Raises ConditionsFailedError, naming the writes that were refused."""
        for pause_s in self._pauses_s:
            if self._transacted(writes):
                return
            wait_about(pause_s)
        raise StoreUnavailableError

    def _transacted(self, writes: Mapping[str, "TransactWriteItemTypeDef"]) -> bool:
        """Whether the writes are done; they are not when another transaction is at work on the same items."""
        with translated():
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
