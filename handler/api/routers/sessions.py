"""Sessions: begin, look up, set a prompt, undo, fork, export, delete."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from handler.api.answers import SessionAnswers, json_response
from handler.api.contracts.sessions import (
    ChangeRequest,
    CreateSessionRequest,
    ForkedBody,
    ForkRequest,
    PromptSetBody,
    SessionCreated,
    SessionDeleted,
    SessionExport,
    SessionView,
    SetPromptRequest,
    UndoneBody,
)
from handler.api.contracts.turns import TurnsPage
from handler.api.csv_export import csv_of
from handler.api.documents import WRONG_BODY, answers
from handler.api.history import SHOWN_TURNS
from handler.api.limits import PromptTooLongError, within_limit
from handler.api.problems import WRONG_REQUEST
from handler.api.requests import App, BeginConditions, ExpectedVersion, SessionId, WriteConditions, at_version
from handler.wheel.errors import (
    BlankPromptError,
    IdempotencyKeyReusedError,
    NothingToUndoError,
    SessionBusyError,
    SessionNotFoundError,
    SettingOutOfRangeError,
    StoreUnavailableError,
    VersionConflictError,
)
from model_layer.errors import ContextWindowExceededError, ModelNotFoundError, ModelNotLoadableError

router = APIRouter(tags=["sessions"])

TURNS_IN_A_PAGE = 100
READ_FAILURES = (SessionNotFoundError, ModelNotLoadableError, StoreUnavailableError, SessionBusyError, WRONG_REQUEST)
WRITE_FAILURES = (*READ_FAILURES, VersionConflictError, IdempotencyKeyReusedError)
PROMPT_FAILURES = (BlankPromptError, ContextWindowExceededError, PromptTooLongError)
BEGIN_FAILURES = (*PROMPT_FAILURES, ModelNotFoundError, ModelNotLoadableError, StoreUnavailableError, SettingOutOfRangeError)


@router.post(
    "/api/sessions",
    status_code=201,
    responses=answers(SessionCreated, *BEGIN_FAILURES, IdempotencyKeyReusedError, *WRONG_BODY, status=201),
)
def create_session(body: CreateSessionRequest, application: App, write: BeginConditions) -> Response:
    """Begin a session; with a prompt, the answer holds the first wheel."""
    prompt = None if body.prompt is None else within_limit(body.prompt, application.settings)
    text = application.ledger.start(
        lambda: application.wheel.start(model_name=body.model_name, prompt=prompt, settings=body.settings.change()),
        SessionAnswers(application).started,
        write,
    )
    return json_response(text, 201)


@router.get("/api/sessions/{session_id}", responses=answers(SessionView, *READ_FAILURES))
def get_session(session_id: SessionId, application: App) -> Response:
    """A session with the last 200 of its turns."""
    session, turns = application.ledger.history(session_id, start=-SHOWN_TURNS)
    return json_response(SessionAnswers(application).view(session, turns))


@router.post(
    "/api/sessions/{session_id}/set-prompt",
    responses=answers(PromptSetBody, *PROMPT_FAILURES, *WRITE_FAILURES, *WRONG_BODY),
)
def set_prompt(body: SetPromptRequest, session_id: SessionId, application: App, write: WriteConditions) -> Response:
    """Begin again from another prompt; the history is cleared."""
    prompt = within_limit(body.prompt, application.settings)
    text = application.ledger.change(
        session_id,
        lambda session: application.wheel.set_prompt(session, prompt),
        SessionAnswers(application).prompt_set,
        at_version(write, body.expected_version),
    )
    return json_response(text)


@router.post(
    "/api/sessions/{session_id}/undo",
    responses=answers(UndoneBody, NothingToUndoError, *WRITE_FAILURES, *WRONG_BODY),
)
def undo(session_id: SessionId, application: App, write: WriteConditions, body: ChangeRequest | None = None) -> Response:
    """Take the last token away, down to the prompt."""
    text = application.ledger.change(
        session_id,
        application.wheel.undo,
        SessionAnswers(application).undone,
        at_version(write, body.expected_version if body else None),
    )
    return json_response(text)


@router.post(
    "/api/sessions/{session_id}/fork",
    status_code=201,
    responses=answers(ForkedBody, SettingOutOfRangeError, *WRITE_FAILURES, *WRONG_BODY, status=201),
)
def fork(session_id: SessionId, application: App, write: WriteConditions, body: ForkRequest | None = None) -> Response:
    """Begin a new session that starts as this one, with all of its turns or the first few."""
    wanted = body or ForkRequest()
    text = application.ledger.fork(
        session_id,
        at_turn=wanted.at_turn,
        render=SessionAnswers(application).forked,
        write=at_version(write, wanted.expected_version),
    )
    return json_response(text, 201)


@router.delete("/api/sessions/{session_id}", responses=answers(SessionDeleted, *WRITE_FAILURES))
def delete_session(
    session_id: SessionId, application: App, write: WriteConditions, expected_version: ExpectedVersion = None
) -> Response:
    """Forget a session and everything of it."""
    meant = at_version(write, expected_version)
    return json_response(application.ledger.delete(session_id, SessionAnswers(application).deleted, meant))


@router.get("/api/sessions/{session_id}/turns", responses=answers(TurnsPage, *READ_FAILURES))
def get_turns(session_id: SessionId, application: App, after: Annotated[int, Query(ge=-1)] = -1) -> Response:
    """A page of the history: up to 100 turns after the one of index `after`."""
    session, turns = application.ledger.history(session_id, start=after + 1, stop=after + 1 + TURNS_IN_A_PAGE)
    return json_response(SessionAnswers(application).page(session, turns))


@router.get(
    "/api/sessions/{session_id}/export",
    responses=answers(SessionExport, *READ_FAILURES, others={"text/csv": {"schema": {"type": "string"}}}),
)
def export(
    session_id: SessionId, application: App, form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json"
) -> Response:
    """The whole session as a file: settings, turns, draws, probabilities."""
    session, turns = application.ledger.history(session_id)
    attached = {"Content-Disposition": f'attachment; filename="session-{session.id}.{form}"'}
    if form == "csv":
        text = csv_of(session, turns, application.wheel.model_of(session))
        return Response(text, headers=attached, media_type="text/csv")
    return Response(SessionAnswers(application).export(session, turns), headers=attached, media_type="application/json")
