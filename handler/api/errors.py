"""The one table from error types to answers, and the handlers made from it. No answer repeats what was sent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from handler.api import limits
from handler.api.contracts.problems import ErrorBody, FieldProblem
from handler.telemetry import Telemetry, request_id_of
from handler.wheel import errors as wheel
from model_layer import errors as model_layer

RETRY_AFTER_S = 2
SHOWN_PROBLEMS = 20  # of one request: a body can hold thousands


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer's status and code. Without a `detail` of its own it gives the error's words, which hold no student's text."""

    status: int
    code: str
    detail: str | None = None


INTERNAL_ERROR = Problem(500, "internal_error", "something went wrong here: quote the correlation_id to the operator")
WRONG_REQUEST = Problem(422, "validation_error", "the request does not fit its contract")
NOT_FOUND = Problem(404, "not_found", HTTPStatus.NOT_FOUND.phrase)
MODEL_NOT_LOADABLE = Problem(503, "model_not_loadable", "the model cannot be loaded: the operator's log says why")

PROBLEMS: dict[type[Exception], Problem] = {
    wheel.WheelError: INTERNAL_ERROR,
    wheel.InvalidRequestError: Problem(400, "invalid_request"),
    wheel.PromptMissingError: Problem(400, "prompt_missing"),
    wheel.BlankPromptError: Problem(400, "blank_prompt"),
    wheel.NotOneTokenError: Problem(400, "not_one_token"),
    wheel.NothingChosenError: Problem(400, "nothing_chosen"),
    wheel.NothingInOtherError: Problem(400, "nothing_in_other"),
    wheel.NothingToUndoError: Problem(400, "nothing_to_undo"),
    wheel.SettingOutOfRangeError: Problem(400, "setting_out_of_range"),
    wheel.SessionNotFoundError: Problem(404, "session_not_found"),
    wheel.SessionFinishedError: Problem(409, "session_finished"),
    wheel.VersionConflictError: Problem(409, "version_conflict"),
    wheel.IdempotencyKeyReusedError: Problem(422, "idempotency_key_reused"),
    wheel.StoreUnavailableError: Problem(503, "store_unavailable"),
    wheel.SessionBusyError: Problem(503, "session_busy", "too many writes at once: try again shortly"),
    limits.RequestLimitError: Problem(422, "limit_exceeded"),
    limits.PromptTooLongError: Problem(422, "prompt_too_long"),
    limits.TooManyPromptsError: Problem(422, "too_many_prompts"),
    limits.AnswerTooLongError: Problem(422, "answer_too_long"),
    model_layer.ModelLayerError: INTERNAL_ERROR,
    model_layer.ModelNotFoundError: Problem(400, "model_not_found"),
    model_layer.ModelNotLoadableError: MODEL_NOT_LOADABLE,
    model_layer.UnsupportedArchitectureError: MODEL_NOT_LOADABLE,
    model_layer.EmptySequenceError: Problem(400, "empty_sequence"),
    model_layer.ContextWindowExceededError: Problem(400, "context_window_exceeded"),
    model_layer.TokenIdOutOfRangeError: Problem(400, "token_id_out_of_range"),
    model_layer.BakeError: INTERNAL_ERROR,
}

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
            return answer(problem, detail=str(error), current_version=current_version)
        request_id = request_id_of(request.scope)
        telemetry.failure(error, request_id=request_id)
        retry = {"Retry-After": str(RETRY_AFTER_S)} if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return answer(problem, headers=retry, detail=problem.detail or str(error), correlation_id=request_id)

    return handle


async def _wrong_fields(_: Request, error: Exception) -> Response:
    problems = [
        FieldProblem(field=".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0]), message=found["msg"])
        for found in cast(RequestValidationError, error).errors()[:SHOWN_PROBLEMS]
    ]
    return answer(WRONG_REQUEST, errors=problems)


async def _http_error(_: Request, error: Exception) -> Response:
    """Answer an unknown route (404), a wrong method (405) and whatever else the framework refuses."""
    refused = cast(HTTPException, error)
    status = HTTPStatus(refused.status_code)
    problem = Problem(status, status.name.lower(), status.phrase)
    return answer(problem, headers=dict(refused.headers) if refused.headers else None)
