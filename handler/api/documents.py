"""What OpenAPI says of the errors of a route."""

from typing import Any

from handler.api.body_guard import MALFORMED, NOT_JSON, TOO_LONG
from handler.api.contracts.problems import ErrorBody
from handler.api.errors import INTERNAL_ERROR, PROBLEMS, WRONG_REQUEST, Problem

Responses = dict[int | str, dict[str, Any]]

WRONG_BODY = (TOO_LONG, NOT_JSON, MALFORMED, WRONG_REQUEST)
DESCRIPTIONS = {
    400: "The request makes no sense here.",
    404: "There is no such thing here, or it has expired.",
    409: "The session has changed or is finished.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    422: "The request does not fit its contract or asks for too much, or its key was used with another request.",
    500: "Something unexpected; the log has its place.",
    503: "The model or the session store does not answer: try again after Retry-After seconds.",
}


def failures(*causes: type[Exception] | Problem) -> Responses:
    """The error responses of a route that raises the given errors and answers the given problems."""
    problems = [cause if isinstance(cause, Problem) else PROBLEMS[cause] for cause in causes]
    responses: Responses = {}
    for problem in (*problems, INTERNAL_ERROR):
        content = responses.setdefault(problem.status, _response(problem.status))["content"]
        content["application/json"]["examples"][problem.code] = {
            "value": {"detail": problem.detail or "a sentence that says why", "code": problem.code}
        }
    return responses


def _response(status: int) -> dict[str, Any]:
    return {"model": ErrorBody, "description": DESCRIPTIONS[status], "content": {"application/json": {"examples": {}}}}
