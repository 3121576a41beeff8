"""Training runs in one DynamoDB table. Every write is one conditional update in a transaction.

A transaction has a token, which the SDK sends again with a repeated request: a write whose answer was lost is done once.
Two workers that find the lease expired meet like this:

    A: reads fence 4 ............................. takes 5 if the fence is 4 ... done
    B: reads fence 4 ... takes 5 if the fence is 4 ... done ................... A is refused
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from handler.lab.errors import LeaseLostError, RunNotFoundError
from handler.lab.run import Advance, LabRun, RunExistsError
from handler.stores.codec import Clock
from handler.stores.dynamodb import make_client
from handler.stores.dynamodb_lab_items import bounds, curve_step_of, is_at_work, run_item, run_key, run_of, update
from handler.stores.dynamodb_table import ConditionsFailedError, DynamoDbTable
from handler.stores.lab_codec import ENDED, RELEASED, Value, told_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from handler.stores.dynamodb_lab_items import UpdateParts

_IS_OURS = "#fence = :fence AND #status = :running"
_IS_FREE = "#fence = :fence AND (#status = :queued OR (#status = :running AND #leased_until_epoch_s <= :now))"


class DynamoDbLabStore:
    """A `LabStore` in a table with the keys `pk` and `sk`."""

    def __init__(self, table_name: str, *, clock: Clock, client: "DynamoDBClient | None" = None) -> None:
        """A client is made on first use."""
        self._name = table_name
        self._table = DynamoDbTable(table_name, connect=make_client if client is None else lambda: client)
        self._clock = clock

    def create(self, run: LabRun) -> None:
        """Keep a new run."""
        condition = "attribute_not_exists(pk)"
        try:
            self._table.transact(
                {"run": {"Put": {"TableName": self._name, "Item": run_item(run), "ConditionExpression": condition}}}
            )
        except ConditionsFailedError as error:
            raise RunExistsError from error

    def load(self, run_id: str) -> LabRun:
        """The run."""
        item = self._table.get(run_key(run_id))
        if not item:
            raise RunNotFoundError
        return run_of(item)

    def all(self) -> list[LabRun]:
        """All runs, the newest first, without their curves."""
        runs = [replace(run_of(item), curve=()) for item in self._table.between(*bounds())]
        return sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)

    def lease(self, run_id: str, *, until_epoch_s: float) -> LabRun | None:
        """The run under a new fence, unless another lease holds or it has ended."""
        fence = self.load(run_id).fence
        changes: dict[str, Value] = {"status": "running", "fence": fence + 1, "leased_until_epoch_s": until_epoch_s}
        guards: dict[str, Value] = {"fence": fence, "queued": "queued", "running": "running", "now": self._clock().timestamp()}
        try:
            self._update(run_id, update(changes, _IS_FREE, guards))
        except ConditionsFailedError:
            return None
        run = self.load(run_id)
        return run if run.fence == fence + 1 else None

    def advance(self, run_id: str, fence: int, told: Advance, *, until_epoch_s: float) -> None:
        """Keep what is told, and renew the lease."""
        changes = {**told_record(told), "leased_until_epoch_s": until_epoch_s}
        if not told.points:
            self._change(run_id, fence, changes)
            return
        item = self._table.get(run_key(run_id))
        while is_at_work(item, fence):
            last = curve_step_of(item)
            points = [point for point in told.points if point.step > last]
            guards: dict[str, Value] = {"fence": fence, "running": "running", "last": last}
            try:
                self._update(run_id, update(changes, f"{_IS_OURS} AND #curve_step = :last", guards, points=points))
            except ConditionsFailedError as error:
                item = error.found["run"]
            else:
                return
        raise LeaseLostError

    def release(self, run_id: str, fence: int) -> None:
        """End the lease."""
        self._change(run_id, fence, RELEASED)

    def succeed(self, run_id: str, fence: int, result: str) -> None:
        """End the run with its result."""
        self._change(run_id, fence, {**ENDED, "status": "succeeded", "result": result})

    def fail(self, run_id: str, fence: int, problem: str) -> None:
        """End the run with a problem."""
        self._change(run_id, fence, {**ENDED, "status": "failed", "problem": problem})

    def remove(self, run_id: str) -> LabRun:
        """Remove the run."""
        run = self.load(run_id)
        key, condition = run_key(run_id), "attribute_exists(pk)"
        try:
            self._table.transact({"run": {"Delete": {"TableName": self._name, "Key": key, "ConditionExpression": condition}}})
        except ConditionsFailedError as error:
            raise RunNotFoundError from error
        return run

    def check(self) -> None:
        """Read one item that need not be there."""
        self._table.get(run_key("check"))

    def _change(self, run_id: str, fence: int, changes: Mapping[str, Value]) -> None:
        """Change a run that is at work under this fence."""
        try:
            self._update(run_id, update(changes, _IS_OURS, {"fence": fence, "running": "running"}))
        except ConditionsFailedError as error:
            raise LeaseLostError from error

    def _update(self, run_id: str, parts: "UpdateParts") -> None:
        self._table.transact({"run": {"Update": {"TableName": self._name, "Key": run_key(run_id), **parts}}})
