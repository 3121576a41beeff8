"""What a session's wheel can teach; none of it changes the session."""

import base64
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from handler.api.answers import json_response, rendered
from handler.api.contracts.insights import (
    GreedyPathBody,
    GreedyTokens,
    RankedLogitsBody,
    RoomBody,
    RoomQuery,
    SliceCountBody,
)
from handler.api.contracts.settings import SettingsBody
from handler.api.contracts.tokens import TokenBody
from handler.api.documents import answers
from handler.api.problems import WRONG_REQUEST
from handler.api.requests import App, SessionId
from handler.wheel.errors import (
    PromptMissingError,
    SessionBusyError,
    SessionFinishedError,
    SessionNotFoundError,
    SettingOutOfRangeError,
    StoreUnavailableError,
)
from handler.wheel.insight import greedy_path, ranked_logits, room
from handler.wheel.room import SliceCount
from handler.wheel.session import Session
from model_layer.errors import ModelNotLoadableError

router = APIRouter(tags=["insight"])

READ_FAILURES = (
    PromptMissingError,
    SessionNotFoundError,
    ModelNotLoadableError,
    StoreUnavailableError,
    SessionBusyError,
    WRONG_REQUEST,
)


@router.get(
    "/api/sessions/{session_id}/room",
    responses=answers(RoomBody, SettingOutOfRangeError, SessionFinishedError, *READ_FAILURES),
)
def spin_room(session_id: SessionId, application: App, query: Annotated[RoomQuery, Query()]) -> Response:
    """Spin the wheel many times, as a room of students would, and count where it stopped. Nothing is appended."""
    session = application.ledger.read(session_id)
    spun = room(application.wheel, session, query.change(), spins=query.spins, seed=query.seed)
    fields = {
        "settings": SettingsBody.of(spun.wheel.settings),
        "spins": query.spins,
        "seed": query.seed,
        "slices": [_count(one) for one in spun.counts],
    }
    return json_response(rendered(RoomBody, **_head(session), **fields))


@router.get("/api/sessions/{session_id}/greedy-path", responses=answers(GreedyPathBody, *READ_FAILURES))
def get_greedy_path(session_id: SessionId, application: App, tokens: Annotated[GreedyTokens, Query()] = 16) -> Response:
    """The session's prompt continued by the likeliest token every time."""
    session = application.ledger.read(session_id)
    path = greedy_path(application.wheel, session, tokens)
    shares = [TokenBody.of(share) for share in path.tokens]
    return json_response(rendered(GreedyPathBody, **_head(session), tokens=shares, text=path.text))


@router.get("/api/sessions/{session_id}/logits", responses=answers(RankedLogitsBody, *READ_FAILURES))
def get_logits(session_id: SessionId, application: App) -> Response:
    """All logits of the next token by rank, so that a page can redraw its wheel while a slider moves."""
    session = application.ledger.read(session_id)
    ranked = ranked_logits(application.wheel, session)
    fields = {
        "vocabulary_size": ranked.logits.size,
        "tokens": [TokenBody.of(share) for share in ranked.tokens],
        "logits": base64.b64encode(ranked.logits.astype("<f4").tobytes()).decode(),
    }
    return json_response(rendered(RankedLogitsBody, **_head(session), **fields))


def _head(session: Session) -> dict[str, object]:
    return {"session_id": session.id, "version": session.version}


def _count(one: SliceCount) -> SliceCountBody:
    return SliceCountBody(
        index=one.piece.index,
        kind=one.piece.kind,
        token=None if one.piece.token is None else TokenBody.of(one.piece.token),
        probability=one.piece.probability,
        count=one.count,
        frequency=one.frequency,
        low=one.low,
        high=one.high,
    )
