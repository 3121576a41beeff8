"""Messages to queue, and every queue to put them on, each with a way to let time pass."""

import atexit
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from sqlite3 import connect
from typing import TYPE_CHECKING
from unittest.mock import patch
from uuid import uuid4

import pytest
from moto import mock_aws

from handler.jobs.job import Delivery, JobQueue, Message
from handler.jobs.message import message_or_none
from handler.stores.sqlite_queue import SqliteJobQueue
from handler.stores.sqs_queue import SqsJobQueue
from tests.contract.session_values import local_session

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

JOB_ID = "6f1c2a34-9d3b-4f10-8a77-0c5e2b9d4411"
MAX_RECEIVES = 3
SERVER_COMMAND = Path(__file__).parents[2] / ".cache" / "sqs" / "bin" / "ministack"
START_S = 60


class MovedClock:
    """The time it is, and as much later as it was moved."""

    def __init__(self, ahead_s: float = 0) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def __call__(self) -> datetime:
        """The moved time."""
        return datetime.now(UTC) + self._ahead

    def forward(self, seconds: float) -> None:
        """Move the clock."""
        self._ahead += timedelta(seconds=seconds)


@dataclass(frozen=True)
class OpenQueue:
    """An empty queue that gives up a message after MAX_RECEIVES, and what a test does beside using it."""

    queue: JobQueue
    lease_s: int
    forward: Callable[[float], None]
    dead_letters: Callable[[], Sequence[Message | None]]
    send_text: Callable[[str], object]
    many: int = 1000
    is_atomic: bool = True
    takes_receives_back: bool = False

    def drain(self, most: int = 10) -> list[int | None]:
        """Receive and finish until nothing comes; gives the indices."""
        finished: list[int | None] = []
        while deliveries := self.queue.receive(most):
            self.queue.finish(deliveries)
            finished += indices(deliveries)
        return finished


@contextmanager
def sqlite_queue(folder: Path) -> Iterator[OpenQueue]:
    """A queue in a new SQLite file."""
    path, clock = folder / f"{uuid4().hex}.db", MovedClock()

    def send_text(text: str) -> None:
        queue.send([])  # makes the tables
        with closing(connect(path)) as file, file:
            file.execute("INSERT INTO messages (body, due_at_epoch_s) VALUES (?, 0)", (text,))

    with closing(SqliteJobQueue(path, clock=clock, max_receives=MAX_RECEIVES, busy_timeout_s=60)) as queue:
        yield OpenQueue(queue, 30, clock.forward, queue.dead_letters, send_text, takes_receives_back=True)


@contextmanager
def moto_queue(_: Path) -> Iterator[OpenQueue]:
    """A queue of moto, whose time is moved. It is not atomic: moto's threads meet in plain lists."""
    clock = MovedClock()
    with (
        mock_aws(),
        patch("moto.sqs.models.unix_time", lambda: clock().timestamp()),
        patch("moto.sqs.models.unix_time_millis", lambda: clock().timestamp() * 1000),
    ):
        # Its work grows with the square of the messages.
        yield opened(local_session().client("sqs"), lease_s=60, forward=clock.forward, many=100, is_atomic=False)


@contextmanager
def server_queue(_: Path) -> Iterator[OpenQueue]:
    """A queue of an SQS server, where time takes its time."""
    with closing(local_session().client("sqs", endpoint_url=server_address())) as client:
        yield opened(client, lease_s=2, forward=time.sleep)


@cache
def server_address() -> str:
    """The address of a server that runs until this process ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    places = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"}
    process = subprocess.Popen([SERVER_COMMAND], env=os.environ | places, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(_ended, process)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return f"http://127.0.0.1:{port}"
        time.sleep(0.1)
    raise TimeoutError(f"{SERVER_COMMAND.name} does not listen")


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait()


def opened(
    client: "SQSClient", *, lease_s: int, forward: Callable[[float], None], many: int = 1000, is_atomic: bool = True
) -> OpenQueue:
    """A new queue with its dead letters."""
    dead_url, url = (client.create_queue(QueueName=f"{kind}-{uuid4().hex}")["QueueUrl"] for kind in ("dead", "tasks"))
    arn = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})

    def dead_letters() -> list[Message | None]:
        found = client.receive_message(QueueUrl=dead_url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [message_or_none(message["Body"]) for message in found]

    def send_text(text: str) -> object:
        return client.send_message(QueueUrl=url, MessageBody=text)

    queue = SqsJobQueue(url, client=client, lease_s=lease_s)
    return OpenQueue(queue, lease_s, forward, dead_letters, send_text, many, is_atomic)


needs_server = () if SERVER_COMMAND.exists() else pytest.mark.skip(reason="no SQS server: make test installs ministack")
QUEUES = (sqlite_queue, moto_queue, pytest.param(server_queue, marks=needs_server))


def messages(count: int) -> list[Message]:
    """Messages of the first tasks of one job."""
    return [Message(JOB_ID, index) for index in range(count)]


def indices(deliveries: Sequence[Delivery]) -> list[int | None]:
    """The task of each delivery, all of which are ours."""
    return [delivery.message.index for delivery in deliveries if delivery.message is not None]
