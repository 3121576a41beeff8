"""SQS events as Lambda hands them over, and the application behind the entry point."""

from collections.abc import Iterable
from typing import Any

from handler.jobs.job import Message
from handler.jobs.message import message_text

SOURCE_ARN = "arn:aws:sqs:eu-west-1:111122223333:jobs"


class Context:
    """What the queue door reads of Lambda's context: the time that is left, the same at each look but for `looks` looks."""

    aws_request_id = "5f0c7e57-0000-4000-8000-000000000009"

    def __init__(self, *, looks: int = 1_000_000) -> None:
        self._looks = looks

    def get_remaining_time_in_millis(self) -> int:
        """A minute, and after so many looks nothing."""
        self._looks -= 1
        return 60_000 if self._looks >= 0 else 0


def record(number: int, body: str, *, receives: int = 1) -> dict[str, Any]:
    """One record of a batch; its number is in its id."""
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012}",
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "098f6bcd4621d373cade4e832627b4f6",
        "eventSource": "aws:sqs",
        "eventSourceARN": SOURCE_ARN,
        "awsRegion": "eu-west-1",
    }


def batch(messages: Iterable[Message | str], *, receives: int = 1) -> dict[str, Any]:
    """An event of these messages, or bodies as they are."""
    bodies = [message if isinstance(message, str) else message_text(message) for message in messages]
    return {"Records": [record(number, body, receives=receives) for number, body in enumerate(bodies)]}


def failures(answer: dict[str, Any]) -> list[int]:
    """The numbers of the records that must come again."""
    assert answer.keys() == {"batchItemFailures"}
    return [int(one["itemIdentifier"][-12:]) for one in answer["batchItemFailures"]]
