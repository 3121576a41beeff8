"""Sessions on the wire: begin, look up, set a prompt, undo, fork, export, delete."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from handler.api.contracts.settings import RequestBody, SettingsBody, SettingsRequest
from handler.api.contracts.turns import TurnBody
from handler.api.contracts.wheels import WheelBody
from handler.wheel.outcomes import FinishReason
from handler.wheel.session import Session

PROMPT_EXAMPLE = "Once upon a time"


class CreateSessionRequest(RequestBody):
    """A new session, at its prompt when one is given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"prompt": PROMPT_EXAMPLE, "settings": {"threshold": 0.02, "top_k": 50}}]}
    )

    model_name: str | None = Field(default=None, description="a name of /api/models; the default model without it")
    prompt: str | None = Field(default=None, min_length=1)
    settings: SettingsRequest = SettingsRequest()


class SetPromptRequest(RequestBody):
    """The prompt to begin again from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": PROMPT_EXAMPLE}]})

    prompt: str = Field(min_length=1)
    expected_version: int | None = None


class ChangeRequest(RequestBody):
    """A change that needs no more than the version it is meant for."""

    expected_version: int | None = Field(default=None, description="409 when the session is no longer at this version")


class ForkRequest(ChangeRequest):
    """Where to fork."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}, {"at_turn": 0}]})

    at_turn: int | None = Field(default=None, description="how many turns the new session keeps; all without it")


class SessionHead(BaseModel):
    """What every answer about a session says of it."""

    session_id: str
    version: int = Field(description="one more after every change of tokens")
    expires_at: datetime
    finished: bool
    finish_reason: FinishReason | None


class SessionBeginning(SessionHead):
    """A session and its text."""

    model_name: str
    created_at: datetime
    initial_prompt: str
    current_text: str


class SessionCreated(SessionBeginning):
    """A new session; `wheel` is there when it has a prompt to go on from."""

    wheel: WheelBody | None


class WholeSession(SessionBeginning):
    """A session as it stands."""

    generation_count: int
    settings: SettingsBody
    last_accessed: datetime


class SessionView(WholeSession):
    """A session with the last 200 of its turns in `token_history`; `generation_count` counts all."""

    token_history: list[TurnBody]


class PromptSetBody(SessionHead):
    """The session at its new prompt."""

    current_text: str
    token_count: int
    message: str


class UndoneBody(SessionHead):
    """The session without its last token."""

    previous_text: str
    removed_token: TurnBody
    current_text: str
    token_history: list[TurnBody]
    generation_count: int
    message: str


class ForkedBody(SessionBeginning):
    """A new session that starts as another one did."""

    forked_from: str
    at_turn: int


class SessionDeleted(BaseModel):
    """The session is gone."""

    message: str
    session_id: str


class SessionExport(WholeSession):
    """A session with every turn: its draw, settings and probabilities."""

    prompt_token_ids: list[int]
    turns: list[TurnBody]


def head_fields(session: Session, finish_reason: FinishReason | None) -> dict[str, object]:
    """The fields of SessionHead."""
    return {
        "session_id": session.id,
        "version": session.version,
        "expires_at": datetime.fromtimestamp(session.expires_at_epoch_s, UTC),
        "finished": finish_reason is not None,
        "finish_reason": finish_reason,
    }
