"""The writes to the jobs table that have conditions: on the head's expiry, and on `make` or `seed`, which tell whose it is."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from handler.jobs.job import Job, TaskResult
from handler.stores.codec import Clock, now_epoch_s
from handler.stores.dynamodb_items import FoundItem, Item, attribute
from handler.stores.dynamodb_job_items import head_key, key_of, result_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_IS_FREE = "attribute_not_exists(pk) OR expires_at_epoch_s <= :now"
_IS_LIVE = "expires_at_epoch_s > :now"
_IS_SAME = f"{_IS_LIVE} AND seed = :seed"
_IS_OF_MAKE = f"{_IS_LIVE} AND make = :make"
_IS_OPEN = f"{_IS_LIVE} AND cancelled = :no AND make = :make"
_IS_UNFINISHED = f"{_IS_LIVE} AND (attribute_not_exists(requests) OR counted < requests)"

# A job that is forgotten expired a day ago: gone by every worker's clock, and not so long ago that TTL would pass it over.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
_SURELY_GONE_S = 86_400


class JobWrites:
    """What transactions on the table `name` are made of."""

    def __init__(self, name: str, *, clock: Clock) -> None:
        """Conditions compare with the time it is when a write is made."""
        self._name = name
        self._clock = clock

    def create(self, head: Item) -> "TransactWriteItemTypeDef":
        """Put the head of a new job, unless a live one is there."""
        return {
            "Put": {
                "TableName": self._name,
                "Item": head,
                "ConditionExpression": _IS_FREE,
                "ExpressionAttributeValues": {":now": attribute(now_epoch_s(self._clock))},
            }
        }

    def begin(self, job: Job, total: int | None) -> "TransactWriteItemTypeDef":
        """Note that the job is enqueued, and its total if that is known."""
        update, values = "SET enqueued = :yes", {":yes": attribute(1), ":seed": attribute(job.seed)}
        if total is not None:
            update, values = f"{update}, requests = :total", {**values, ":total": attribute(total)}
        return self._update(head_key(job.id), update, values, condition=_IS_SAME)

    def count(self, head: FoundItem, results: Collection[TaskResult]) -> "TransactWriteItemTypeDef":
        """Count the requests of results on the head."""
        done, failed = sum(result.done for result in results), sum(result.failed for result in results)
        counts = {":done": attribute(done), ":failed": attribute(failed), ":both": attribute(done + failed)}
        guards = {":no": attribute(0), ":make": head["make"]}
        update = "ADD done :done, failed :failed, counted :both"
        return self._update(key_of(head), update, counts | guards, condition=_IS_OPEN)

    def put_result(self, head: FoundItem, result: TaskResult) -> "TransactWriteItemTypeDef":
        """Put the first result of a task."""
        item = result_item(head, result)
        return {"Put": {"TableName": self._name, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}

    def cancel(self, job_id: str) -> "TransactWriteItemTypeDef":
        """Cancel a job that is not complete."""
        return self._update(head_key(job_id), "SET cancelled = :yes", {":yes": attribute(1)}, condition=_IS_UNFINISHED)

    def expire(self, head: FoundItem) -> "TransactWriteItemTypeDef":
        """Let the job be gone."""
        gone = attribute(now_epoch_s(self._clock) - _SURELY_GONE_S)
        values = {":gone": gone, ":make": head["make"]}
        return self._update(key_of(head), "SET expires_at_epoch_s = :gone", values, condition=_IS_OF_MAKE)

    def remove(self, head: FoundItem) -> "TransactWriteItemTypeDef":
        """Delete the head, unless that of another job has come in its place."""
        return {
            "Delete": {
                "TableName": self._name,
                "Key": key_of(head),
                "ConditionExpression": "make = :make",
                "ExpressionAttributeValues": {":make": head["make"]},
            }
        }

    def _update(self, key: Item, update: str, values: Item, *, condition: str) -> "TransactWriteItemTypeDef":
        """An update of a head under a condition that looks at its expiry."""
        return {
            "Update": {
                "TableName": self._name,
                "Key": key,
                "UpdateExpression": update,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": {**values, ":now": attribute(now_epoch_s(self._clock))},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
