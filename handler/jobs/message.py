"""What the queue carries, as text: `{"job_id": "0b5f…", "index": 3}`, JSON and nothing else."""

import json
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handler.jobs.job import Message


class NotAMessageError(ValueError):
    """Raise when a text is no message of ours."""

    def __init__(self) -> None:
        """Quote nothing: who knows what the text holds."""
        super().__init__("the body is not a message of this queue")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    job_id: str = Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    index: int | None = Field(ge=0, le=999_999)


def message_text(message: Message) -> str:
    """The text that `message_of` turns back into an equal message."""
    return json.dumps(asdict(message))


def message_of(text: str) -> Message:
    """The message a text was made of. Raises NotAMessageError."""
    try:
        body = _Body.model_validate_json(text)
    except ValidationError:
        raise NotAMessageError from None  # its cause would quote the text
    return Message(job_id=body.job_id, index=body.index)


def message_or_none(text: str) -> Message | None:
    """The message a text was made of, None where it is no message of ours: what a `Delivery` holds."""
    try:
        return message_of(text)
    except NotAMessageError:
        return None
