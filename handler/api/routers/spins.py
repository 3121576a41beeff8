"""Wheels of sessions: look, spin, choose."""

from fastapi import APIRouter
from starlette.responses import Response

from handler.api.answers import json_response
from handler.api.contracts.spins import AppendedBody, AppendTokenRequest, NextTokenProbs, SpinRequest, SpunBody
from handler.api.documents import WRONG_BODY, answers
from handler.api.problems import WRONG_REQUEST
from handler.api.requests import App, SessionId, SettingsQuery, WriteConditions, at_version
from handler.api.spin_answers import SpinAnswers
from handler.wheel.errors import (
    IdempotencyKeyReusedError,
    NothingChosenError,
    NothingInOtherError,
    NotOneTokenError,
    PromptMissingError,
    SessionBusyError,
    SessionFinishedError,
    SessionNotFoundError,
    SettingOutOfRangeError,
    StoreUnavailableError,
    VersionConflictError,
)
from model_layer.errors import ModelNotLoadableError, TokenIdOutOfRangeError

router = APIRouter(tags=["wheels of sessions"])

LOOK_FAILURES = (
    PromptMissingError,
    SettingOutOfRangeError,
    SessionNotFoundError,
    ModelNotLoadableError,
    StoreUnavailableError,
    SessionBusyError,
)
SPIN_FAILURES = (*LOOK_FAILURES, SessionFinishedError, VersionConflictError, IdempotencyKeyReusedError)
CHOICE_FAILURES = (NothingChosenError, NotOneTokenError, TokenIdOutOfRangeError, NothingInOtherError)


@router.get(
    "/api/sessions/{session_id}/next-token-probs",
    responses=answers(NextTokenProbs, *LOOK_FAILURES, WRONG_REQUEST),
)
def next_token_probs(session_id: SessionId, application: App, settings: SettingsQuery) -> Response:
    """The wheel after the session's tokens. What is not given is as the session began; the next spin uses these settings."""
    look = application.ledger.look(session_id, lambda session: application.wheel.look(session, settings.change()))
    return json_response(SpinAnswers(application).looked(look))


@router.post(
    "/api/sessions/{session_id}/spin",
    responses=answers(SpunBody, *SPIN_FAILURES, *WRONG_BODY),
)
def spin(session_id: SessionId, application: App, write: WriteConditions, body: SpinRequest | None = None) -> Response:
    """Spin the wheel that was shown: append the token it stops at, and answer the next wheel."""
    wanted = body or SpinRequest()
    text = application.ledger.change(
        session_id,
        lambda session: application.wheel.spin(session, wanted.change(), wanted.seed),
        SpinAnswers(application).spun,
        at_version(write, wanted.expected_version),
    )
    return json_response(text)


@router.post(
    "/api/sessions/{session_id}/append-token",
    responses=answers(AppendedBody, *SPIN_FAILURES, *CHOICE_FAILURES, *WRONG_BODY),
)
def append_token(body: AppendTokenRequest, session_id: SessionId, application: App, write: WriteConditions) -> Response:
    """Append a token that was chosen, or one drawn from Other, and answer the next wheel."""
    text = application.ledger.change(
        session_id,
        lambda session: application.wheel.choose(
            session,
            token_id=body.token_id,
            token_text=body.token_text,
            category=body.category,
            settings_change=body.change(),
            seed=body.seed,
        ),
        SpinAnswers(application).appended,
        at_version(write, body.expected_version),
    )
    return json_response(text)
