"""What each transition of a session gives back: plain values that hold all that an answer needs."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from handler.wheel.distribution import TokenShare
from handler.wheel.session import Session, Turn
from handler.wheel.wheel import OtherSlice, Wheel

FinishReason = Literal["end_of_text", "context_window", "turn_limit"]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """A transition, not yet kept: the session after it, the turn it appended, and what there is to tell of it."""

    after: Session
    outcome: T_co
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A new session; `wheel` is there when it starts with a prompt and is not finished by it."""

    session: Session
    text: str
    wheel: Wheel | None
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class Look:
    """The wheel after the session's tokens, also for a finished session."""

    session: Session
    text: str
    wheel: Wheel
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The session at its new prompt, without turns."""

    session: Session
    text: str
    token_count: int
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class Appended:
    """One more token, spun or chosen. `turn`, `share` and `other` are those of the wheel that was shown.

    `wheel` is the next one, with the same settings; None when the token finished the session.
    """

    session: Session
    turn: Turn
    share: TokenShare
    other: OtherSlice
    previous_text: str
    text: str
    wheel: Wheel | None
    finish_reason: FinishReason | None


@dataclass(frozen=True, slots=True)
class Undone:
    """The session without the last token of `before`."""

    session: Session
    before: Session
    previous_text: str
    text: str


@dataclass(frozen=True, slots=True)
class Forked:
    """A new session that starts as `source` did, up to `at_turn` turns."""

    session: Session
    source: Session
    at_turn: int
    text: str
    finish_reason: FinishReason | None
