"""Jobs in one DynamoDB table: results and the head that counts them change in one transaction, so that each counts once.

Two workers that were given tasks 1 and 2, and 2 and 3, meet like this:

    A: put 1, put 2, add 2 to the head ... done
    B: put 2, put 3, add 2 to the head ......... refused as a whole: 2 is there ... put 3, add 1 to the head ... done
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING

from handler.jobs.job import Job, JobExistsError, TaskResult
from handler.stores.codec import Clock, now_epoch_s
from handler.stores.dynamodb import make_client
from handler.stores.dynamodb_items import FoundItem, is_live
from handler.stores.dynamodb_job_items import (
    KINDS,
    bounds,
    head_item,
    head_key,
    index_of,
    is_given_up,
    job_of,
    result_key,
    result_of,
    task_item,
    task_key,
)
from handler.stores.dynamodb_job_writes import JobWrites
from handler.stores.dynamodb_table import ConditionsFailedError, DynamoDbTable
from handler.wheel.errors import JobCancelledError, JobNotFoundError, WheelError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The most writes of a transaction are 100, with the head's. It may have 4 MB, but a partition takes 1,000 KB of writes a
# second (500 KB in transactions), and more only from what it saved up.
_RESULTS_A_TRANSACTION = 99
_BYTES_A_TRANSACTION = 1_000_000

# Ten workers that all count on one head, 0.2 s each time, come through.
_PAUSES_S = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8)


class DynamoDbJobStore:
    """A `JobStore` in a table with the keys `pk` and `sk` and the TTL attribute `expires_at_epoch_s`."""

    def __init__(self, table_name: str, *, clock: Clock, client: "DynamoDBClient | None" = None) -> None:
        """A client is made on first use."""
        self._table = DynamoDbTable(table_name, connect=make_client if client is None else lambda: client, pauses_s=_PAUSES_S)
        self._writes = JobWrites(table_name, clock=clock)
        self._clock = clock

    def create(self, job: Job, tasks: Sequence[str] = ()) -> None:
        """Keep a new job: its tasks first, since a transaction is too small for them. Its head makes them reachable."""
        if is_live(self._table.get(head_key(job.id)), self._now()):
            raise JobExistsError
        head = head_item(job, make=token_hex(8))
        self._put_tasks(head, dict(enumerate(tasks)))
        try:
            self._table.transact({"head": self._writes.create(head)})
        except ConditionsFailedError as error:
            raise JobExistsError from error

    def load(self, job_id: str) -> Job:
        """The job's head."""
        return job_of(self._head(job_id))

    def add_tasks(self, job_id: str, tasks: Mapping[int, str]) -> None:
        """Keep tasks by index. Those that are there stay, with the count of their runs."""
        head = self._head(job_id)
        found = self._table.get_all([task_key(head, index) for index in tasks], attributes="pk, sk")
        there = {index_of(item) for item in found}
        self._put_tasks(head, {index: body for index, body in tasks.items() if index not in there})

    def begin(self, job: Job, *, total: int | None) -> None:
        """Note that all messages have been sent. A total of None leaves one that is known already."""
        try:
            self._table.transact({"head": self._writes.begin(job, total)})
        except ConditionsFailedError as error:
            raise JobNotFoundError from error

    def tasks(self, job_id: str, indices: Collection[int]) -> dict[int, str]:
        """The tasks of these indices."""
        head = self._head(job_id)
        items = self._table.get_all([task_key(head, index) for index in set(indices)])
        return {index_of(item): item["body"]["S"] for item in items}

    def keep(self, job: Job, results: Sequence[TaskResult]) -> None:
        """Keep the results of tasks that have none, and count their requests: some 99, or 1 MB of them, at once."""
        head = self._same(job)
        if job_of(head).cancelled:
            raise JobCancelledError
        for part in _parts(results):
            self._keep_part(head, part)

    def kept(self, job_id: str, indices: Collection[int]) -> dict[int, bool]:
        """Which of these tasks have a result, and whether they were given up."""
        head = self._head(job_id)
        items = self._table.get_all([result_key(head, index) for index in set(indices)], attributes="pk, sk, given_up")
        return {index_of(item): is_given_up(item) for item in items}

    def begin_alone(self, job: Job, index: int) -> int:
        """Note that a task is about to be run alone. Raises JobNotFoundError also when there is no such task."""
        try:
            return self._table.add_one(task_key(self._same(job), index), "runs_alone")
        except ConditionsFailedError as error:
            raise JobNotFoundError from error

    def results(self, job_id: str, *, after: int = -1, limit: int) -> list[TaskResult]:
        """Up to `limit` results of tasks beyond `after`, by index."""
        head = self._head(job_id)
        items = self._table.between(result_key(head, after + 1), bounds("RESULT", head)[1], limit=limit)
        return [result_of(item) for item in items]

    def cancel(self, job_id: str) -> Job:
        """The job, cancelled unless it was complete."""
        with suppress(ConditionsFailedError):  # it is complete or not there, which the head tells
            self._table.transact({"head": self._writes.cancel(job_id)})
        return self.load(job_id)

    def forget(self, job_id: str) -> None:
        """Remove the job: let its head expire, which makes the rest unreachable; remove the rest; remove the head.

        A head that has expired still tells what there is to remove: of an earlier forget that failed half-way.
        """
        head = self._table.get(head_key(job_id))
        was_there = is_live(head, self._now())
        if was_there:
            self._expire(head)
        if head:
            self._remove(head)
        if not was_there:
            raise JobNotFoundError

    def check(self) -> None:
        """Read one item that need not be there."""
        self._table.get(head_key("check"))

    def _head(self, job_id: str) -> FoundItem:
        head = self._table.get(head_key(job_id))
        if not is_live(head, self._now()):
            raise JobNotFoundError
        return head

    def _same(self, job: Job) -> FoundItem:
        """The head of the job, if it still is this one."""
        head = self._head(job.id)
        if head["seed"]["S"] != job.seed:
            raise JobNotFoundError
        return head

    def _put_tasks(self, head: FoundItem, tasks: Mapping[int, str]) -> None:
        items = [task_item(head, index, body) for index, body in tasks.items()]
        self._table.write_all([{"PutRequest": {"Item": item}} for item in items])

    def _keep_part(self, head: FoundItem, results: Sequence[TaskResult]) -> None:
        """Keep the results in one transaction, without those whose tasks turn out to have one, until it is done."""
        left = {f"{result.index}": result for result in results}
        while left:
            puts = {name: self._writes.put_result(head, result) for name, result in left.items()}
            try:
                self._table.transact({"head": self._writes.count(head, left.values()), **puts})
            except ConditionsFailedError as error:
                if "head" in error.found:
                    raise self._refusal(head, error.found["head"]) from error
                left = {name: result for name, result in left.items() if name not in error.found}
            else:
                return

    def _refusal(self, head: FoundItem, found: FoundItem) -> WheelError:
        """Why the head, as it was found, takes no more results of the job that it was read for."""
        is_there = is_live(found, self._now()) and found["make"] == head["make"]
        return JobCancelledError() if is_there else JobNotFoundError()

    def _expire(self, head: FoundItem) -> None:
        """Let the job be gone. Raises JobNotFoundError when another one has come in its place."""
        try:
            self._table.transact({"head": self._writes.expire(head)})
        except ConditionsFailedError as error:
            raise JobNotFoundError from error

    def _remove(self, head: FoundItem) -> None:
        """Remove the tasks and results of a job that is gone, and then its head, unless another job has come in its place."""
        keys = [key for kind in KINDS for key in self._table.between(*bounds(kind, head), attributes="pk, sk")]
        self._table.write_all([{"DeleteRequest": {"Key": key}} for key in keys])
        with suppress(ConditionsFailedError):
            self._table.transact({"head": self._writes.remove(head)})

    def _now(self) -> int:
        return now_epoch_s(self._clock)


def _parts(results: Sequence[TaskResult]) -> Iterator[list[TaskResult]]:
    """The results in their order, divided into what one transaction takes."""
    part: list[TaskResult] = []
    size = 0
    for result in results:
        added = len(result.body.encode())
        if part and (len(part) == _RESULTS_A_TRANSACTION or size + added > _BYTES_A_TRANSACTION):
            yield part
            part, size = [], 0
        part.append(result)
        size += added
    if part:
        yield part
