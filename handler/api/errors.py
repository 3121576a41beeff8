"""The handlers made from the table of problems. No answer repeats what was sent."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from handler.api.contracts.problems import ErrorBody
from handler.api.problems import PROBLEMS, WRONG_REQUEST, Problem, field_problems, refused_requests
from handler.telemetry import Telemetry, request_id_of

RETRY_AFTER_S = 2

Handler = Callable[[Request, Exception], Awaitable[Response]]


def install_handlers(app: FastAPI, telemetry: Telemetry) -> None:
    """Give every error of the table, every wrong request and every unknown route its answer."""
    for error_type, problem in PROBLEMS.items():
        app.add_exception_handler(error_type, _handler(problem, telemetry))
    app.add_exception_handler(RequestValidationError, _wrong_fields)
    app.add_exception_handler(HTTPException, _http_error)


def answer(problem: Problem, *, headers: dict[str, str] | None = None, **more: object) -> Response:
    """The response for a problem that has its own `detail`, or one among `more`."""
    body = ErrorBody.model_validate({"detail": problem.detail, "code": problem.code, **more})
    return Response(body.model_dump_json(exclude_none=True), problem.status, headers, media_type="application/json")


def _handler(problem: Problem, telemetry: Telemetry) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            current_version = getattr(error, "current_version", None)
            return answer(problem, detail=str(error), errors=refused_requests(error), current_version=current_version)
        request_id = request_id_of(request.scope)
        telemetry.failure(error, request_id=request_id)
        retry = {"Retry-After": str(RETRY_AFTER_S)} if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return answer(problem, headers=retry, detail=problem.detail or str(error), correlation_id=request_id)

    return handle


async def _wrong_fields(_: Request, error: Exception) -> Response:
    found = cast(RequestValidationError, error).errors()
    return answer(WRONG_REQUEST, errors=field_problems(found, beneath=1))


async def _http_error(_: Request, error: Exception) -> Response:
    """Answer an unknown route (404), a wrong method (405) and whatever else the framework refuses."""
    refused = cast(HTTPException, error)
    status = HTTPStatus(refused.status_code)
    problem = Problem(status, status.name.lower(), status.phrase)
    return answer(problem, headers=dict(refused.headers) if refused.headers else None)
