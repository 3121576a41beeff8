"""The queue of tasks in SQS: a standard queue, whose redrive policy says when a message goes to the dead letters."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, TypeVar

import boto3.session
from botocore.config import Config

from handler.jobs.job import Delivery, Message
from handler.jobs.message import message_or_none, message_text
from handler.stores.aws_errors import PAUSES_S, translated, wait_about
from handler.wheel.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

    Entry = TypeVar(
        "Entry",
        SendMessageBatchRequestEntryTypeDef,
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
    )

# Ten of our messages are less than 1 KB: SQS's limit on the bytes of a batch, 1 MiB, is far away.
_BATCH_SIZE = 10
_LONGEST_POLL_S = 20


def make_client(*, polls: bool = False) -> "SQSClient":
    """A client that gives up in time: its three attempts of at most 3 s end before a function or a gateway does.

    One that `polls` reads for as long as SQS may hold back an answer to ReceiveMessage.
    """
    read_timeout = _LONGEST_POLL_S + 2 if polls else 2
    config = Config(connect_timeout=1, read_timeout=read_timeout, retries={"mode": "standard", "total_max_attempts": 3})
    # A session of its own: making clients from boto3's default session is not thread-safe.
    return boto3.session.Session().client("sqs", config=config)


class SqsJobQueue:
    """A `JobQueue` in SQS.

    A receipt that is worth nothing any more, since its message was finished or received again, is passed over: its message
    is done or comes again.
    """

    def __init__(self, queue_url: str, *, client: "SQSClient | None" = None, lease_s: int = 60) -> None:
        """`lease_s` is the visibility timeout of what is received here. Clients are made on first use."""
        self._queue_url = queue_url
        self._given_client = client
        self._lease_s = lease_s

    @cached_property
    def _client(self) -> "SQSClient":
        return self._given_client or make_client()

    @cached_property
    def _polling_client(self) -> "SQSClient":
        return self._given_client or make_client(polls=True)

    def send(self, messages: Sequence[Message]) -> None:
        """Queue the messages, ten a request. When it raises, some may have been queued.

        The group lets SQS give the messages of small jobs before the rest of a large one (fair queues).
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
        """
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": message_text(message), "MessageGroupId": message.job_id}
            for number, message in enumerate(messages)
        ]
        refused = _in_batches(
            entries, lambda batch: self._client.send_message_batch(QueueUrl=self._queue_url, Entries=batch).get("Failed", [])
        )
        if refused:
            raise StoreUnavailableError

    def receive(self, most: int, *, wait_s: float = 0) -> list[Delivery]:
        """Up to `most` messages, ten a request. It waits for the first of them only, in whole seconds, rounded up."""
        deadline_s = time.monotonic() + wait_s
        deliveries: list[Delivery] = []
        while len(deliveries) < most:
            left_s = 0 if deliveries else max(0, deadline_s - time.monotonic())
            batch = self._receive_batch(min(most - len(deliveries), _BATCH_SIZE), min(ceil(left_s), _LONGEST_POLL_S))
            deliveries += batch
            if not batch and left_s <= _LONGEST_POLL_S:
                break
        return deliveries

    def _receive_batch(self, most: int, wait_s: int) -> list[Delivery]:
        with translated():
            answer = self._polling_client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=self._lease_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [_delivery(message) for message in answer.get("Messages", [])]

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Begin the leases anew. SQS lets none of them last longer than 12 hours in all."""
        self._lease(deliveries, self._lease_s)

    def release(self, deliveries: Sequence[Delivery], *, delay_s: int = 0) -> None:
        """End the leases after `delay_s`."""
        self._lease(deliveries, delay_s)

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """End the leases at once. SQS has counted the receives, and takes none back."""
        self._lease(deliveries, 0)

    def _lease(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": delivery.receipt, "VisibilityTimeout": seconds}
            for number, delivery in enumerate(deliveries)
        ]
        _in_batches(
            entries,
            lambda batch: self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=batch).get("Failed", []),
        )

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Remove the messages."""
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": delivery.receipt} for number, delivery in enumerate(deliveries)
        ]
        _in_batches(
            entries, lambda batch: self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=batch).get("Failed", [])
        )


def _in_batches(
    entries: "Sequence[Entry]", request: "Callable[[Sequence[Entry]], Sequence[BatchResultErrorEntryTypeDef]]"
) -> int:
    """Send entries in batches; `request` gives those that failed. How many SQS refused as the sender's fault."""
    return sum(_refused(entries[start : start + _BATCH_SIZE], request) for start in range(0, len(entries), _BATCH_SIZE))


def _refused(batch: "Sequence[Entry]", request: "Callable[[Sequence[Entry]], Sequence[BatchResultErrorEntryTypeDef]]") -> int:
    """Send a batch, and again what failed by SQS's own fault. Raises StoreUnavailableError when that never ends."""
    refused = 0
    for pause_s in PAUSES_S:
        with translated():
            failed = request(batch)
        refused += sum(failure["SenderFault"] for failure in failed)
        again = {failure["Id"] for failure in failed if not failure["SenderFault"]}
        if not again:
            return refused
        batch = [entry for entry in batch if entry["Id"] in again]
        wait_about(pause_s)
    raise StoreUnavailableError


def _delivery(message: "MessageTypeDef") -> Delivery:
    return Delivery(
        message=message_or_none(message["Body"]),
        receives=int(message["Attributes"]["ApproximateReceiveCount"]),
        receipt=message["ReceiptHandle"],
    )
