"""What an invocation without HTTP answers when it is refused: an exception would be logged whole by the runtime."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError

from handler.api.contracts.problems import FieldProblem
from handler.api.problems import WRONG_REQUEST, field_problems, problem_of, refused_requests
from handler.telemetry import Telemetry


class Refusal(BaseModel):
    """Why there is no answer; `status` is the one that HTTP has for it."""

    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None


def refused_fields(error: ValidationError, *, beneath: int = 0) -> dict[str, Any]:
    """`{"error"}` that names the wrong fields by their paths, of which the first `beneath` parts are left out."""
    problems = field_problems(error.errors(include_input=False, include_context=False, include_url=False), beneath=beneath)
    return _refused(Refusal(**asdict(WRONG_REQUEST), errors=problems))


def refused_for(error: Exception, telemetry: Telemetry) -> dict[str, Any]:
    """`{"error"}` as the table of problems has it; what is our fault is logged by its type and place."""
    problem = problem_of(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        telemetry.task_failed(error)
    detail = problem.detail or str(error)
    return _refused(Refusal(status=problem.status, code=problem.code, detail=detail, errors=refused_requests(error)))


def _refused(refusal: Refusal) -> dict[str, Any]:
    return {"error": refusal.model_dump(exclude_none=True)}
