"""What OpenAPI says of the errors of a route."""

from typing import Any

from handler.api.contracts.problems import ErrorBody
from handler.api.errors import INTERNAL_ERROR, PROBLEMS, Problem

Responses = dict[int | str, dict[str, Any]]

WRONG_BODY = (
    Problem(413, "body_too_long", "the body may have at most 16384 bytes"),
    Problem(415, "unsupported_media_type", "send the body as Content-Type: application/json"),
    Problem(422, "malformed_json", "the body is not JSON (UTF-8, no NaN, no Infinity, no lone surrogate)"),
)
WRONG_REQUEST = Problem(422, "validation_error", "the request does not fit its contract")
DESCRIPTIONS = {
    400: "The request makes no sense here.",
    404: "No such session, or it has expired.",
    409: "The session has changed or is finished.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    422: "The request does not fit its contract, or its key was used with another request.",
    500: "Something unexpected; the log has its place.",
    503: "The model or the session store does not answer: try again after Retry-After seconds.",
}


def failures(*errors: type[Exception], body: bool = False) -> Responses:
    """The error responses of a route that raises `errors` and, with `body`, reads one."""
    problems = [*(PROBLEMS[error] for error in errors), WRONG_REQUEST, *(WRONG_BODY if body else ()), INTERNAL_ERROR]
    responses: Responses = {}
    for problem in problems:
        content = responses.setdefault(problem.status, _response(problem.status))["content"]
        content["application/json"]["examples"][problem.code] = {
            "value": {"detail": problem.detail or "a sentence that says why", "code": problem.code}
        }
    return responses


def _response(status: int) -> dict[str, Any]:
    return {"model": ErrorBody, "description": DESCRIPTIONS[status], "content": {"application/json": {"examples": {}}}}
