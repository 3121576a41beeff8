"""Limits of requests that depend on the settings, and the errors that name them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from pydantic import BaseModel

from handler.settings import Settings
from handler.wheel.errors import InvalidRequestError

Part = TypeVar("Part", bound=BaseModel)

LONGEST_ANSWER_BYTES = 1_000_000  # Lambda ends at 6 MB, a classroom's network far earlier
LONGEST_FILE_BYTES = 4_000_000  # of a download from Lambda, where base64 adds a third


class RequestLimitError(InvalidRequestError):
    """Base of the errors for a request that asks for more than this server allows."""


class PromptTooLongError(RequestLimitError):
    """Raise when a prompt or text has more characters than allowed."""

    def __init__(self, *, characters: int) -> None:
        """Name the limit."""
        super().__init__(f"a text may have at most {characters} characters")


class TooManyPromptsError(RequestLimitError):
    """Raise when a batch holds more prompts than allowed."""

    def __init__(self, *, prompts: int) -> None:
        """Name the limit."""
        super().__init__(f"a batch may hold at most {prompts} prompts")


class TooManyJobRequestsError(RequestLimitError):
    """Raise when a job holds more requests than allowed."""

    def __init__(self, *, requests: int) -> None:
        """Name the field and the limit."""
        super().__init__(f"requests: a job may hold at most {requests} requests")


class AnswerTooLongError(RequestLimitError):
    """Raise when the answers of a batch together are too much for one."""

    def __init__(self, *, limit: int = LONGEST_ANSWER_BYTES) -> None:
        """Name the limit in bytes and the ways under it."""
        ways = "send fewer at once; of wheels, raise the threshold or lower other_top_k"
        super().__init__(f"the answer would exceed {limit} bytes: {ways}")


def within_limit(text: str, settings: Settings) -> str:
    """The text itself. Raises PromptTooLongError."""
    if len(text) > settings.prompt_characters:
        raise PromptTooLongError(characters=settings.prompt_characters)
    return text


def all_within_limit(texts: list[str], settings: Settings) -> list[str]:
    """The texts themselves. Raises TooManyPromptsError or PromptTooLongError."""
    if len(texts) > settings.max_batch:
        raise TooManyPromptsError(prompts=settings.max_batch)
    return [within_limit(text, settings) for text in texts]


def few_enough(requests: Sequence[Part], settings: Settings) -> Sequence[Part]:
    """The requests of a job themselves. Raises TooManyJobRequestsError."""
    if len(requests) > settings.max_job_requests:
        raise TooManyJobRequestsError(requests=settings.max_job_requests)
    return requests


def short_enough(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of an answer as they are taken. Raises AnswerTooLongError at the first that is too much."""
    size = 0
    for part in parts:
        size += len(part.model_dump_json().encode())
        if size > LONGEST_ANSWER_BYTES:
            raise AnswerTooLongError
        yield part
