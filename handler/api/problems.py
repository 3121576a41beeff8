"""The one table from error types to what is answered: HTTP statuses, codes, and words that hold no student's text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from handler.api import limits
from handler.api.contracts.problems import FieldProblem
from handler.lab import errors as runs
from handler.wheel import errors as wheel
from model_layer import errors as model_layer
from model_layer.constitution import errors as lab

SHOWN_PROBLEMS = 20  # of one body, which can have thousands


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
    wheel.RefusedRequestError: Problem(400, "request_refused"),
    wheel.MalformedLineError: Problem(400, "malformed_json"),
    wheel.FilesNotTakenError: Problem(400, "files_not_taken"),
    wheel.SourceNotFoundError: Problem(400, "source_not_found"),
    wheel.SourceTooLargeError: Problem(400, "source_too_large"),
    wheel.ResultsElsewhereError: Problem(400, "results_elsewhere"),
    wheel.SettingOutOfRangeError: Problem(400, "setting_out_of_range"),
    wheel.NotOnLambdaError: Problem(400, "not_on_lambda"),
    wheel.SessionNotFoundError: Problem(404, "session_not_found"),
    wheel.SessionFinishedError: Problem(409, "session_finished"),
    wheel.VersionConflictError: Problem(409, "version_conflict"),
    wheel.IdempotencyKeyReusedError: Problem(422, "idempotency_key_reused"),
    wheel.JobNotFoundError: Problem(404, "job_not_found"),
    wheel.JobCancelledError: Problem(409, "job_cancelled"),
    wheel.GivenUpError: Problem(500, "given_up", "every attempt failed: the operator finds the message among the dead letters"),
    wheel.OutOfTimeError: Problem(503, "out_of_time", "no time was left for this request: send fewer at once, or a job"),
    wheel.StoreUnavailableError: Problem(503, "store_unavailable"),
    wheel.SessionBusyError: Problem(503, "session_busy", "too many writes at once: try again shortly"),
    limits.RequestLimitError: Problem(422, "limit_exceeded"),
    limits.PromptTooLongError: Problem(422, "prompt_too_long"),
    limits.TooManyPromptsError: Problem(422, "too_many_prompts"),
    limits.TooManyJobRequestsError: Problem(422, "too_many_job_requests"),
    limits.AnswerTooLongError: Problem(422, "answer_too_long"),
    model_layer.ModelLayerError: INTERNAL_ERROR,
    model_layer.ModelNotFoundError: Problem(400, "model_not_found"),
    model_layer.ModelNotLoadableError: MODEL_NOT_LOADABLE,
    model_layer.UnsupportedArchitectureError: MODEL_NOT_LOADABLE,
    model_layer.EmptySequenceError: Problem(400, "empty_sequence"),
    model_layer.ContextWindowExceededError: Problem(400, "context_window_exceeded"),
    model_layer.TokenIdOutOfRangeError: Problem(400, "token_id_out_of_range"),
    model_layer.BakeError: INTERNAL_ERROR,
    runs.LabOffError: Problem(409, "lab_off"),
    runs.TooManyRunsError: Problem(409, "too_many_runs"),
    runs.RunNotFoundError: Problem(404, "run_not_found"),
    runs.RunFileNotFoundError: Problem(404, "file_not_found"),
    runs.RunNotFinishedError: Problem(409, "run_not_finished"),
    runs.LeaseLostError: INTERNAL_ERROR,
    runs.FilesGoneError: Problem(503, "files_gone", "files of this run are gone"),
    lab.JudgeUnavailableError: Problem(503, "judge_unavailable", "the judge gave no verdict: try again shortly"),
    lab.NoProbeError: Problem(400, "no_probe"),
    lab.RevisionFailedError: Problem(409, "revision_failed"),
    lab.NothingToLearnError: Problem(409, "nothing_to_learn"),
    lab.ForeignCheckpointError: INTERNAL_ERROR,
    lab.DifferentVocabulariesError: Problem(400, "different_vocabularies"),
}


def problem_of(error: Exception) -> Problem:
    """The problem of an error's type, or of the nearest type above it that the table has."""
    return next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), INTERNAL_ERROR)


def field_problems(errors: Sequence[Mapping[str, Any]], *, beneath: int = 0) -> list[FieldProblem]:
    """The first of pydantic's errors, each by its field's path, of which the first `beneath` parts are left out."""
    return [
        FieldProblem(field=".".join(map(str, found["loc"][beneath:] or found["loc"])) or "request", message=found["msg"])
        for found in errors[:SHOWN_PROBLEMS]
    ]


def refused_requests(error: Exception) -> list[FieldProblem] | None:
    """The requests that an error is about, each by its path, with what is wrong with it."""
    if not isinstance(error, wheel.RefusedRequestError):
        return None
    return [FieldProblem(field=f"requests.{index}", message=str(reason)) for index, reason in error.reasons.items()]
