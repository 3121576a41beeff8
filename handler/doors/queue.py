"""Queue events: a batch of SQS messages, answered with those that must come again.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handler.jobs.job import Delivery
from handler.jobs.message import message_or_none
from handler.wiring import Application, application

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

MARGIN_MS = 10_000  # kept for the pass that is under way, for keeping its results, and for the answer


class UnfinishedError(Exception):
    """Raise for a record that must be delivered again."""


def is_queue(event: object) -> bool:
    """Whether an event is a batch of SQS messages."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    return isinstance(records, list) and bool(records) and all(map(_is_message, records))


def handle_queue(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work the batch off together; the records that are not finished when time runs out fail, each alone."""
    # The function that answers students has this door too, and never opens it.
    from aws_lambda_powertools.utilities.batch import (  # noqa: PLC0415
        BatchProcessor,
        EventType,
        process_partial_response,
    )

    finished = _finished(application(), [_delivery(record) for record in event["Records"]], context)

    def judge(record: "SQSRecord") -> None:
        if record.message_id not in finished:
            raise UnfinishedError

    # Otherwise it would raise when no record is finished, and the runtime's log would have a stack trace for it.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return dict(process_partial_response(event, judge, processor, context))


def _is_message(record: object) -> bool:
    if not isinstance(record, Mapping) or record.get("eventSource") != "aws:sqs":
        return False
    return isinstance(record.get("messageId"), str) and isinstance(record.get("body"), str)


def _delivery(record: Mapping[str, Any]) -> Delivery:
    receives = record.get("attributes", {}).get("ApproximateReceiveCount", "1")
    return Delivery(message_or_none(record["body"]), int(receives) if receives.isdecimal() else 1, receipt=record["messageId"])


def _finished(parts: Application, deliveries: list[Delivery], context: Any) -> set[str]:
    """The ids of the messages that are finished."""
    started = time.perf_counter()
    finished: set[str] = set()
    try:
        for some in parts.worker.work(deliveries, going_on=lambda: context.get_remaining_time_in_millis() > MARGIN_MS):
            finished |= {delivery.receipt for delivery in some}
    except Exception as error:  # noqa: BLE001 - what is not finished comes again, and the runtime would log the error's text
        parts.telemetry.worker_failed(error)
    parts.telemetry.worked(len(deliveries), len(finished), (time.perf_counter() - started) * 1000)
    return finished
