"""The body of every error."""

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """One field that does not fit its contract. The value that was sent is never repeated."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """Why a request was not done: for people in `detail`, for programs in `code`."""

    detail: str
    code: str
    errors: list[FieldProblem] | None = Field(
        default=None, description="the first 20 fields that do not fit, with codes validation_error and request_refused"
    )
    current_version: int | None = Field(default=None, description="the session's version, with code version_conflict")
    correlation_id: str | None = Field(default=None, description="what to quote to the operator, with code internal_error")
