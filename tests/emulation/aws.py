"""The fake endpoints: DynamoDB, SQS and S3 by moto's server, with what our template describes, and SQS's way to a function."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3.session

from tests.emulation.pool import Pool, ThrottledError

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}
TABLES = {"SESSIONS_TABLE": "SessionsTable", "JOBS_TABLE": "JobsTable"}
LAB_TABLE, LAB_FUNCTION, BUCKET = "LabTable", "LabFunction", "lab-bucket"
QUEUE, DEAD_LETTERS = "JobsQueue", "JobsDeadLetters"
POLL_S = 0.2


class Aws:
    """Clients of the endpoint, and what was made there."""

    def __init__(self, url: str) -> None:
        """`url` is moto's."""
        session = boto3.session.Session(
            aws_access_key_id="none", aws_secret_access_key="none", region_name=ACCOUNT["AWS_DEFAULT_REGION"]
        )
        self.url = url
        self.dynamodb = session.client("dynamodb", endpoint_url=url)
        self.sqs = session.client("sqs", endpoint_url=url)
        self.s3 = session.client("s3", endpoint_url=url)

    def make(self, properties: Callable[[str], Mapping[str, Any]]) -> dict[str, str]:
        """Make tables and queues by the properties of the template's resources; the variables of a function that name them."""
        for name in TABLES.values():
            self._make_table(name, properties(name))
        queue = properties(QUEUE)
        dead_url = self.sqs.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": queue["RedrivePolicy"]["maxReceiveCount"]}
        attributes: Any = {"VisibilityTimeout": str(queue["VisibilityTimeout"]), "RedrivePolicy": json.dumps(redrive)}
        url = self.sqs.create_queue(QueueName=QUEUE, Attributes=attributes)["QueueUrl"]
        return {**TABLES, "JOB_QUEUE_URL": url}

    def make_lab(self, properties: Callable[[str], Mapping[str, Any]]) -> dict[str, str]:
        """Make the table and the bucket of the lab; the variables of a function that name its parts."""
        self._make_table(LAB_TABLE, properties(LAB_TABLE))
        self.s3.create_bucket(Bucket=BUCKET)
        return {"LAB_TABLE": LAB_TABLE, "LAB_LOCATION": f"s3://{BUCKET}/lab/", "LAB_FUNCTION_NAME": LAB_FUNCTION}

    def _make_table(self, name: str, given: Mapping[str, Any]) -> None:
        wanted = {key: given[key] for key in ("KeySchema", "AttributeDefinitions", "BillingMode")}
        self.dynamodb.create_table(TableName=name, **wanted)

    def poll(self, url: str, pool: Pool) -> bool:
        """Hand a batch to the function and remove what it does not return. Whether there was one."""
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages", [])
        if not found:
            return False
        try:
            result = pool.invoke(json.dumps({"Records": [_record(message) for message in found]}).encode())
        except ThrottledError:
            return True
        failed = _failures(result.payload) if not result.failed else {message["MessageId"] for message in found}
        for message in found:
            if message["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{ACCOUNT['AWS_REGION']}:123456789012:{QUEUE}",
        "awsRegion": ACCOUNT["AWS_REGION"],
    }


def _failures(payload: bytes) -> set[str]:
    return {one["itemIdentifier"] for one in json.loads(payload)["batchItemFailures"]}


@contextmanager
def polling(aws: Aws, url: str, pool: Pool) -> Iterator[None]:
    """Bring the queue's messages to the function in the meantime."""
    ended = threading.Event()

    def poll() -> None:
        while not ended.is_set():
            if not aws.poll(url, pool):
                ended.wait(POLL_S)

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def moto_server(interpreter: Path, port: int, *, host: str = "127.0.0.1") -> Iterator[str]:
    """Moto's server, by the interpreter that has it; its URL once it answers."""
    address = ("-H", host, "-p", str(port))
    command = [str(interpreter), "-m", "moto.server", *address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    aws = Aws(f"http://{host}:{port}")
    try:
        while process.poll() is None:
            try:
                aws.dynamodb.list_tables()
                break
            except Exception:  # noqa: BLE001 - it does not listen yet, in whatever way the SDK says so
                time.sleep(0.1)
        yield aws.url
    finally:
        process.terminate()
        process.wait()
