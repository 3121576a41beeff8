"""The queue door over DynamoDB and SQS, by moto: invocations that die, deliveries in any number and order, dead letters."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from handler.entrypoint import lambda_handler
from handler.jobs.job import Job, JobStore, Message, TaskResult
from handler.jobs.task import MOST_RECEIVES
from handler.stores.dynamodb import create_table
from handler.wheel.ledger import Write
from handler.wiring import Application
from tests.contract.session_values import local_session
from tests.integration.test_jobs_exactly_once import all_results, mixed_requests, single_results
from tests.queue_events import Context, batch, failures, record
from tests.queue_function import started_function

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

TABLE = "jobs"


@dataclass
class Queue:
    """A queue and its dead letters, with what Lambda does between them and the function."""

    client: "SQSClient"
    url: str
    dead_url: str
    deaths: int = field(default=0)

    @classmethod
    def made(cls, client: "SQSClient") -> "Queue":
        """A queue whose messages are visible again at once, and dead letters for those that came too often."""
        dead_url = client.create_queue(QueueName="dead")["QueueUrl"]
        arn = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
        made = client.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "0", "RedrivePolicy": redrive})
        return cls(client, made["QueueUrl"], dead_url)

    def poll(self) -> bool:
        """Hand one batch to the function, and remove what it does not return. Whether there was one."""
        found = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])
        if not found:
            return False
        counts = [int(one["Attributes"]["ApproximateReceiveCount"]) for one in found]
        records = [record(number, one["Body"], receives=counts[number]) for number, one in enumerate(found)]
        try:
            failed = failures(lambda_handler({"Records": records}, Context()))
        except SystemExit:
            self.deaths += 1
            return True
        for number, one in enumerate(found):
            if number not in failed:
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return True

    def dead(self) -> list[str]:
        """The bodies of the dead letters."""
        found = self.client.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10).get("Messages", [])
        return [one["Body"] for one in found]


@pytest.fixture
def queue() -> Iterator[Queue]:
    """Tables and queues of moto."""
    with mock_aws():
        create_table(local_session().client("dynamodb"), TABLE)
        yield Queue.made(local_session().client("sqs"))


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, queue: Queue) -> Iterator[Application]:
    """The application behind the entry point, on DynamoDB and SQS."""
    variables = {
        "JOB_STORE": "dynamodb",
        "JOBS_TABLE": TABLE,
        "JOB_QUEUE": "sqs",
        "JOB_QUEUE_URL": queue.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    with started_function(tmp_path, monkeypatch, **variables) as started:
        yield started


def die_sometimes(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end just before results are kept, the next time just after, and then a time not."""
    keep, ends = store.keep, cycle(["before", "after", None])

    def dying(job: Job, results: Sequence[TaskResult]) -> None:
        end = next(ends)
        if end == "before":
            raise SystemExit
        keep(job, results)
        if end == "after":
            raise SystemExit

    monkeypatch.setattr(store, "keep", dying)


def test_dying_invocations_and_many_deliveries_change_nothing(
    application: Application, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message 1-10 times, shuffled, in batches of ten whose invocations die at times: each result once, as alone."""
    chance = random.Random(11)
    requests = mixed_requests(40, chance)
    job = application.desk.submit(requests, model_name=None, name=None, write=Write())
    copies = [Message(job.id, index) for index in range(len(requests)) for _ in range(chance.randint(0, 9))]
    application.queue.send(chance.sample(copies, len(copies)))
    die_sometimes(application.desk.store, monkeypatch)
    while queue.poll():
        pass
    assert queue.deaths >= 4
    assert_each_result_once(application, job, single_results(application, job, requests))
    assert queue.dead() == []


def assert_each_result_once(application: Application, job: Job, expected: dict[int, str]) -> None:
    """The job is complete, its counts are those of its results, and these are the expected ones."""
    after = application.desk.store.load(job.id)
    assert (after.state, after.done, after.failed, after.total) == ("completed", len(expected), 0, len(expected))
    results = all_results(application, job)
    assert [result.index for result in results] == list(range(len(expected)))
    assert {result.index: result.body for result in results} == expected


def test_poison_ends_among_the_dead_letters(application: Application, queue: Queue) -> None:
    """A message that is none comes until it is a dead letter; its neighbours never notice."""
    requests = mixed_requests(9, random.Random(12))
    job = application.desk.submit(requests, model_name=None, name=None, write=Write())
    queue.client.send_message(QueueUrl=queue.url, MessageBody="poison")
    polls: list[Any] = []
    while queue.poll():
        polls.append(application.desk.store.load(job.id).state)
    assert polls[0] == "completed"
    assert len(polls) == MOST_RECEIVES
    assert queue.dead() == ["poison"]
    assert_each_result_once(application, job, single_results(application, job, requests))


def test_nobodys_text_is_in_the_queue(application: Application, queue: Queue) -> None:
    """A message names its task and nothing of it."""
    requests = mixed_requests(10, random.Random(13))
    job = application.desk.submit(requests, model_name=None, name="a secret name", write=Write())
    found = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)["Messages"]
    bodies = [json.loads(one["Body"]) for one in found]
    assert sorted(body["index"] for body in bodies) == list(range(10))
    assert all(body == {"job_id": job.id, "index": body["index"]} for body in bodies)


def test_the_example_event_concerns_no_job(application: Application) -> None:
    """`sam local invoke` with the example finds no such job and needs nothing more."""
    event = json.loads((Path(__file__).parents[2] / "events" / "sqs-batch.json").read_text())
    assert event == batch([Message("7f3a1f1e-0000-4000-8000-00000000000a", index) for index in (0, 1)])
    assert failures(lambda_handler(event, Context())) == []
    application.desk.store.check()
