"""Laws of a message's text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.jobs.job import Message
from handler.jobs.message import NotAMessageError, message_of, message_or_none, message_text

JOB_ID = "6f1c2a34-9d3b-4f10-8a77-0c5e2b9d4411"
MESSAGES = st.builds(Message, job_id=st.uuids().map(str), index=st.none() | st.integers(0, 999_999))


@given(message=MESSAGES)
def test_a_message_is_read_back(message: Message) -> None:
    """The text of a message is that message again, whatever the order and the space between its parts."""
    text = message_text(message)
    other = json.dumps(dict(reversed(json.loads(text).items())), indent=2)
    assert message_of(text) == message_of(other) == message_or_none(text) == message


def test_the_text_is_plain_json() -> None:
    """A message is an object of two members."""
    assert message_text(Message(JOB_ID, 3)) == f'{{"job_id": "{JOB_ID}", "index": 3}}'
    assert message_text(Message(JOB_ID, None)) == f'{{"job_id": "{JOB_ID}", "index": null}}'


@given(message=MESSAGES)
def test_ten_messages_are_small(message: Message) -> None:
    """A batch of ten is far below SQS's limit on its bytes."""
    assert 10 * len(message_text(message).encode()) < 1000


def body(**changes: object) -> str:
    """The text of a message, with some members changed."""
    return json.dumps({"job_id": JOB_ID, "index": 3} | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Once upon a time",
        "null",
        "[]",
        f'"{JOB_ID}"',
        "{}",
        f'{{"job_id": "{JOB_ID}"}}',
        '{"index": 3}',
        body(job_id=JOB_ID.upper()),
        body(job_id=JOB_ID.replace("-", "")),
        body(job_id=f"{JOB_ID}\n"),
        body(job_id=f" {JOB_ID}"),
        body(job_id=f"{{{JOB_ID}}}"),
        body(job_id=7),
        body(job_id=None),
        body(index=-1),
        body(index=1_000_000),
        body(index=10**400),
        body(index=True),
        body(index="3"),
        body(index=3.0),
        body(index=3.5),
        body(index=[3]),
        body(index=float("nan")),
        body(prompt="Once upon a time"),
        body() + body(),
        body()[:-1],
        "\ud800",
        '{"job_id": "\\ud800", "index": 3}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_nothing_else_is_a_message(text: str) -> None:
    """What is not exactly a message is refused, and the error neither quotes it nor brings another that does."""
    with pytest.raises(NotAMessageError) as refused:
        message_of(text)
    assert str(refused.value) == str(NotAMessageError())
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert message_or_none(text) is None


@given(text=st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Whatever comes, it is a message or none."""
    assert message_or_none(text) is None
