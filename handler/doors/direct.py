"""Direct calls (`aws lambda invoke`, an SDK, another function): a small batch of requests, answered at once."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from handler.api.contracts.precision import PrecisionBody
from handler.api.contracts.settings import ClosedBody
from handler.api.limits import AnswerTooLongError
from handler.api.strict_json import canonical
from handler.doors.refusals import refused_fields, refused_for
from handler.jobs.at_once import answer_at_once
from handler.jobs.request import JobRequest
from handler.jobs.result import RequestResult
from handler.settings import MEGABYTE
from handler.wheel.errors import MalformedLineError, WheelError
from handler.wiring import application
from model_layer.errors import ModelLayerError

MOST_REQUESTS = 64
MOST_NEW_TOKENS = 8192  # of all requests: GPT-2's tokens have some 230 bytes each in an answer, which has room for twice that
MARGIN_MS = 5_000
LONGEST_ANSWER_BYTES = 5 * MEGABYTE  # Lambda refuses more than 6
SEED_BYTES = 8


class DirectRequest(ClosedBody):
    """Requests as a job has them."""

    requests: list[JobRequest] = Field(min_length=1, max_length=MOST_REQUESTS)
    model_name: str | None = None

    @field_validator("requests")
    @classmethod
    def _few_new_tokens(cls, requests: list[JobRequest]) -> list[JobRequest]:
        if sum(request.new_tokens for request in requests) > MOST_NEW_TOKENS:
            raise ValueError(f"n times max_new_tokens of all requests together may be at most {MOST_NEW_TOKENS}")
        return requests


class DirectAnswer(BaseModel):
    """One result for each request, in order."""

    model_name: str
    results: list[RequestResult]


def is_direct(event: object) -> bool:
    """Whether an event is a batch of requests that somebody waits for."""
    return isinstance(event, Mapping) and "requests" in event


def handle_direct(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"model_name", "results"}`, or `{"error"}` for a batch that is refused: an exception would be logged whole."""
    try:
        return _answer(_request(event), context)
    except ValidationError as error:
        return refused_fields(error)
    except (WheelError, ModelLayerError) as error:
        return refused_for(error, application().telemetry)


def _request(event: Mapping[str, Any]) -> DirectRequest:
    try:
        text = canonical(json.dumps(event).encode())
    except ValueError:
        raise MalformedLineError from None
    return DirectRequest.model_validate_json(text)


def _answer(request: DirectRequest, context: Any) -> dict[str, Any]:
    parts = application()
    model = parts.model(request.model_name)
    results = answer_at_once(
        model,
        request.requests,
        seed=secrets.token_hex(SEED_BYTES),
        precision=PrecisionBody.of(parts.catalog.manifest(model.name)),
        limits=parts.settings,
        going_on=lambda: context.get_remaining_time_in_millis() > MARGIN_MS,
    )
    body = DirectAnswer(model_name=model.name, results=results).model_dump(mode="json", exclude_unset=True)
    if len(json.dumps(body)) > LONGEST_ANSWER_BYTES:
        raise AnswerTooLongError(limit=LONGEST_ANSWER_BYTES)
    return body
