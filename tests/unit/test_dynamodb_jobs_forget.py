"""What the DynamoDB store makes of a job that is forgotten while others use its id, and of one that was forgotten by half."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from handler.jobs.job import Job
from handler.stores.dynamodb_jobs import DynamoDbJobStore
from handler.wheel.errors import JobNotFoundError, StoreUnavailableError
from tests.contract.job_values import LIFETIME_S, assert_counted, made, new_job, result
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
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture
def store(client: "DynamoDBClient", clock: SetClock) -> DynamoDbJobStore:
    """A store on that client."""
    return DynamoDbJobStore(TABLE, clock=clock, client=client)


@pytest.fixture
def job(store: DynamoDbJobStore) -> Job:
    """A job of three tasks, one of which has its result."""
    job = made(store, tasks=3)
    store.keep(job, [result(0)])
    return job


def anew(job: Job) -> Job:
    """Another job of the id."""
    return replace(job, seed="another")


def count(client: "DynamoDBClient") -> int:
    """How many items lie in the table."""
    return client.scan(TableName=TABLE)["Count"]


def test_the_head_expires_first_and_goes_last(client: "DynamoDBClient", store: DynamoDbJobStore, job: Job) -> None:
    """A job is gone before anything of it is removed, and what tells where the rest lies is removed after the rest."""
    sent = SentRequests(client)
    store.forget(job.id)
    [expire, remove] = [body["TransactItems"][0] for body in sent.of("TransactWriteItems")]
    operations = [operation for operation, _ in sent]
    assert operations == ["GetItem", "TransactWriteItems", "Query", "Query", "BatchWriteItem", "TransactWriteItems"]
    assert expire["Update"]["ConditionExpression"] == "expires_at_epoch_s > :now AND make = :make"
    assert expire["Update"]["ExpressionAttributeValues"][":gone"] == {"N": str(int(NOON.timestamp()) - 86_400)}
    assert remove["Delete"]["ConditionExpression"] == "make = :make"
    assert count(client) == 0


@pytest.mark.parametrize("method", ["query", "batch_write_item"])
def test_job_made_amid_a_forget_loses_nothing(
    client: "DynamoDBClient", store: DynamoDbJobStore, job: Job, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Another job that comes under the id, before or while the first one's tasks are removed, keeps all of its own."""
    new = anew(job)

    def make() -> None:
        store.create(new, [f"new {index}" for index in range(5)])
        store.keep(new, [result(1)])

    before_next(monkeypatch, client, method, make)
    store.forget(job.id)
    assert_counted(store, new, [result(1)])
    assert store.tasks(new.id, range(9)) == {index: f"new {index}" for index in range(5)}
    assert count(client) == 1 + 5 + 1


def test_forget_amid_a_create_takes_none_of_its_tasks(
    client: "DynamoDBClient", store: DynamoDbJobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks that a create has written, and no head reaches yet, are none of the job's that is forgotten meanwhile."""
    with monkeypatch.context() as patched:
        lose_request(patched, client, "batch_write_item")
        with pytest.raises(StoreUnavailableError):
            store.forget(job.id)

    def finish() -> None:
        with pytest.raises(JobNotFoundError):
            store.forget(job.id)

    before_next(monkeypatch, client, "transact_write_items", finish)
    store.create(anew(job), ["new"] * 3)
    assert store.tasks(job.id, range(9)) == dict.fromkeys(range(3), "new")
    assert count(client) == 1 + 3


def test_forget_that_comes_late_takes_no_other_job(
    client: "DynamoDBClient", store: DynamoDbJobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who forgets a job, while another forgets it and a new one comes in its place, finds it gone and leaves the new one."""

    def replace_it() -> None:
        store.forget(job.id)
        store.create(anew(job), ["new"])

    before_next(monkeypatch, client, "transact_write_items", replace_it)
    with pytest.raises(JobNotFoundError):
        store.forget(job.id)
    assert store.load(job.id) == anew(job)
    assert count(client) == 1 + 1


@pytest.mark.parametrize(
    ("lose", "method"),
    [
        (lose_answer, "transact_write_items"),
        (lose_request, "query"),
        (lose_request, "batch_write_item"),
        (lose_answer, "batch_write_item"),
    ],
)
def test_the_next_forget_finishes_one_that_failed_half_way(
    client: "DynamoDBClient",
    store: DynamoDbJobStore,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[pytest.MonkeyPatch, "DynamoDBClient", str], None],
    method: str,
) -> None:
    """The job is gone at once, for clocks that are behind too, and the next forget, which says so, removes what is left."""
    with monkeypatch.context() as patched:
        lose(patched, client, method)
        with pytest.raises(StoreUnavailableError):
            store.forget(job.id)
    assert count(client) > 0
    behind = SetClock()
    behind.forward(-600)
    with pytest.raises(JobNotFoundError):
        DynamoDbJobStore(TABLE, clock=behind, client=client).load(job.id)
    with pytest.raises(JobNotFoundError):
        store.forget(job.id)
    assert count(client) == 0


def test_what_an_expired_job_left_can_be_removed(
    client: "DynamoDBClient", store: DynamoDbJobStore, job: Job, clock: SetClock
) -> None:
    """To forget an expired job is JobNotFoundError, and removes it where TTL has not yet."""
    clock.forward(LIFETIME_S)
    with pytest.raises(JobNotFoundError):
        store.forget(job.id)
    assert count(client) == 0


def test_task_that_goes_meanwhile_is_not_run(
    client: "DynamoDBClient", store: DynamoDbJobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is forgotten by the time its task's run is counted is JobNotFoundError, and leaves no item behind."""
    before_next(monkeypatch, client, "update_item", lambda: store.forget(job.id))
    with pytest.raises(JobNotFoundError):
        store.begin_alone(job, 0)
    assert count(client) == 0


def test_another_job_of_the_id_does_not_begin(
    client: "DynamoDBClient", store: DynamoDbJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that another one replaces just before it is noted to have begun is JobNotFoundError."""
    job = new_job()
    before_next(monkeypatch, client, "transact_write_items", lambda: store.create(anew(job)))
    with pytest.raises(JobNotFoundError):
        store.begin(job, total=7)
    assert store.load(job.id) == anew(job)
