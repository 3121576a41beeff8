"""What the DynamoDB store of jobs sends, and what it makes of races, and of requests and answers that are lost."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from handler.jobs.job import JobExistsError, TaskResult
from handler.stores.dynamodb_jobs import DynamoDbJobStore
from handler.wheel.errors import JobCancelledError, JobNotFoundError, StoreUnavailableError
from tests.contract.job_values import assert_counted, made, new_job, result
from tests.contract.session_values import NOON, TABLE, SetClock, dynamodb_client
from tests.dynamodb_requests import SentRequests, before_next, lose_answer, lose_request

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def client() -> Iterator["DynamoDBClient"]:
    """A client of moto's DynamoDB with the table made."""
    with dynamodb_client() as made_client:
        yield made_client


@pytest.fixture
def store(client: "DynamoDBClient") -> DynamoDbJobStore:
    """A store on that client, at noon."""
    return DynamoDbJobStore(TABLE, clock=SetClock(), client=client)


def test_results_and_counts_are_one_conditioned_transaction(client: "DynamoDBClient", store: DynamoDbJobStore) -> None:
    """A keep reads the head, and sends one transaction: the counts if the job is open, each result if there is none."""
    job = made(store)
    sent = SentRequests(client)
    store.keep(job, [result(5, done=2), result(17, done=1, failed=3)])
    [(read, _), (operation, body)] = sent
    assert (read, operation) == ("GetItem", "TransactWriteItems")
    head, *puts = body["TransactItems"]
    assert head["Update"]["ConditionExpression"] == "expires_at_epoch_s > :now AND cancelled = :no AND make = :make"
    counts = {
        name: head["Update"]["ExpressionAttributeValues"][name]["N"] for name in (":done", ":failed", ":both", ":no", ":now")
    }
    assert counts == {":done": "3", ":failed": "3", ":both": "6", ":no": "0", ":now": str(int(NOON.timestamp()))}
    assert [put["Put"]["ConditionExpression"] for put in puts] == ["attribute_not_exists(pk)"] * 2
    assert [put["Put"]["Item"]["sk"]["S"][-7:] for put in puts] == ["#000005", "#000017"]
    assert body["ClientRequestToken"]


@pytest.mark.parametrize(
    ("results", "size", "parts"), [(250, 10, [100, 100, 53]), (12, 200_000, [6, 6, 3]), (4, 399_000, [3, 3])]
)
def test_transactions_are_within_their_limits(
    client: "DynamoDBClient", store: DynamoDbJobStore, results: int, size: int, parts: list[int]
) -> None:
    """Results go in transactions of at most 100 writes, the head's among them, and 1 MB, few as they may be."""
    job = made(store)
    sent = SentRequests(client)
    store.keep(job, [TaskResult(index, "x" * size) for index in range(results)])
    assert [len(body["TransactItems"]) for body in sent.of("TransactWriteItems")] == parts


def test_every_item_expires_with_its_job(client: "DynamoDBClient", store: DynamoDbJobStore) -> None:
    """The head, the tasks and the results of a job carry its expiry, and keys no text."""
    job = made(store, tasks=2)
    store.add_tasks(job.id, {2: "task 2"})
    store.keep(job, [result(0)])
    items = client.scan(TableName=TABLE)["Items"]
    assert [item["expires_at_epoch_s"]["N"] for item in items] == [str(job.expires_at_epoch_s)] * 5
    assert {item["pk"]["S"] for item in items} == {f"JOB#{job.id}"}
    assert not any("task 2" in item["sk"]["S"] for item in items)


def test_reads_are_consistent_and_small(client: "DynamoDBClient", store: DynamoDbJobStore) -> None:
    """Every read asks for what was last written, and for no more than is wanted."""
    job = made(store)
    store.keep(job, [result(0)])
    sent = SentRequests(client)
    store.load(job.id)
    store.tasks(job.id, [0])
    store.kept(job.id, [0])
    store.results(job.id, limit=7)
    store.forget(job.id)
    reads = [(operation, body["RequestItems"][TABLE] if operation == "BatchGetItem" else body) for operation, body in sent]
    reads = [(operation, body) for operation, body in reads if "Write" not in operation]
    assert [operation for operation, _ in reads] == [
        *["GetItem"] * 2,
        "BatchGetItem",
        "GetItem",
        "BatchGetItem",
        "GetItem",
        "Query",
        "GetItem",
        *["Query"] * 2,
    ]
    assert all(body["ConsistentRead"] for _, body in reads)
    assert [body.get("ProjectionExpression") for _, body in reads] == [
        None,
        None,
        None,
        None,
        "pk, sk, given_up",
        None,
        None,
        None,
        "pk, sk",
        "pk, sk",
    ]
    assert [body.get("Limit") for operation, body in reads if operation == "Query"] == [7, None, None]


def test_tasks_come_before_the_head(client: "DynamoDBClient", store: DynamoDbJobStore) -> None:
    """Tasks are written in batches of 25 before the job's head makes them reachable."""
    sent = SentRequests(client)
    made(store, tasks=30)
    assert [operation for operation, _ in sent] == ["GetItem", "BatchWriteItem", "BatchWriteItem", "TransactWriteItems"]


def test_create_that_failed_half_way_made_no_job(
    client: "DynamoDBClient", store: DynamoDbJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be made again, and has none of the tasks that the first attempt left."""
    job = new_job()
    with monkeypatch.context() as patched:
        lose_request(patched, client, "transact_write_items")
        with pytest.raises(StoreUnavailableError):
            store.create(job, ["left"] * 3)
    assert client.scan(TableName=TABLE)["Count"] == 3
    with pytest.raises(JobNotFoundError):
        store.load(job.id)
    store.create(job, ["kept"])
    assert store.tasks(job.id, range(3)) == {0: "kept"}


def test_create_that_lost_a_race_changes_nothing(
    client: "DynamoDBClient", store: DynamoDbJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two creates of one id, the job of the one that came first has its own tasks, whoever wrote the last of them."""
    job = new_job()
    before_next(monkeypatch, client, "batch_write_item", lambda: store.create(job, ["first"]))
    with pytest.raises(JobExistsError):
        store.create(replace(job, seed="another"), ["second"] * 2)
    assert store.load(job.id) == job
    assert store.tasks(job.id, range(2)) == {0: "first"}


def test_overlapping_keeps_count_once(client: "DynamoDBClient", store: DynamoDbJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that meets another one's results, between its read and its transaction, keeps and counts only the rest."""
    job = made(store, total=4)
    before_next(
        monkeypatch, client, "transact_write_items", lambda: store.keep(job, [result(1, "other"), result(2, "other", done=9)])
    )
    sent = SentRequests(client)
    store.keep(job, [result(0), result(1), result(2), result(3, failed=5)])
    assert_counted(store, job, [result(0), result(1, "other"), result(2, "other", done=9), result(3, failed=5)])
    transactions = [len(body["TransactItems"]) for body in sent.of("TransactWriteItems")]
    assert transactions == [3, 5, 3]


def test_keep_whose_answer_was_lost_counts_once(
    client: "DynamoDBClient", store: DynamoDbJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done, though its answer never came, is not done again by the next keep."""
    job = made(store)
    with monkeypatch.context() as patched:
        lose_answer(patched, client, "transact_write_items")
        with pytest.raises(StoreUnavailableError):
            store.keep(job, [result(0), result(1)])
    store.keep(job, [result(0, "again"), result(1, "again"), result(2)])
    assert_counted(store, job, [result(0), result(1), result(2)])


def make_anew(store: DynamoDbJobStore, job_id: str) -> None:
    """Put another job under the id."""
    store.forget(job_id)
    store.create(replace(new_job(), id=job_id))


@pytest.mark.parametrize(
    ("close", "error"),
    [(DynamoDbJobStore.cancel, JobCancelledError), (DynamoDbJobStore.forget, JobNotFoundError), (make_anew, JobNotFoundError)],
)
def test_job_that_closes_meanwhile_keeps_nothing(
    client: "DynamoDBClient",
    store: DynamoDbJobStore,
    monkeypatch: pytest.MonkeyPatch,
    close: Callable[[DynamoDbJobStore, str], object],
    error: type[Exception],
) -> None:
    """A job that is cancelled or forgotten, or whose id another one has, by the time of the transaction takes no result."""
    job = made(store)
    before_next(monkeypatch, client, "transact_write_items", lambda: close(store, job.id))
    with pytest.raises(error):
        store.keep(job, [result(0)])
    left = client.scan(TableName=TABLE)["Items"]
    assert not any(item["sk"]["S"].startswith("RESULT") for item in left)
    assert sum(int(item.get("counted", {"N": "0"})["N"]) for item in left) == 0


def test_only_the_dynamodb_store_imports_boto3() -> None:
    """The embedded store of jobs runs without boto3."""
    code = "import sys, handler.stores.sqlite_jobs; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
