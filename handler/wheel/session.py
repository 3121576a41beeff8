"""A student's session, as plain values, and the protocol of the stores that keep it.

Token ids are the truth: text is always the decoding of all of them, and key-value caches are rebuilt, never stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

Category = Literal["above_threshold", "other"]

NEW_SESSIONS_SCOPE: Final = "sessions"
"""The scope of the answers that made a session, which had no id before."""


@dataclass(frozen=True, slots=True)
class WheelSettings:
    """How a distribution is warped and cut into slices. top_k 0, top_p 1 and min_p 0 mean: no such filter."""

    threshold: float = 0.01
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    other_top_k: int = 10

    @property
    def keep_the_model_as_it_is(self) -> bool:
        """Whether the distribution shown is the model's own: temperature 1, no filter."""
        return (self.temperature, self.top_k, self.top_p, self.min_p) == (1, 0, 1, 0)


@dataclass(frozen=True, slots=True)
class Draw:
    """The one uniform number u in [0, 1) of a spin: the pointer stops at `target_angle` = 360 u degrees."""

    u: float
    target_angle: float
    slice_index: int
    seed: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One appended token. `probability` and `rank` are those of the wheel that was shown; a chosen token has no draw."""

    index: int
    token_id: int
    probability: float
    model_probability: float
    rank: int
    category: Category
    settings: WheelSettings
    selected_at: datetime
    draw: Draw | None = None

    @property
    def sampled_from_other(self) -> bool:
        """Whether chance picked a token that had no slice of its own."""
        return self.category == "other" and self.draw is not None


@dataclass(frozen=True, slots=True)
class Session:
    """The head of a session; its turns are kept beside it.

    Every change of tokens raises `version` by one, every change of `settings` alone raises `looks`. `settings` are those
    last shown, `starting_settings` those it began with. `began_under` is the scope and the key hash of the answer that
    began it, if one was kept: it holds the session's text too.
    """

    id: str
    model_name: str
    created_at: datetime
    last_accessed: datetime
    expires_at_epoch_s: int
    prompt_token_ids: tuple[int, ...] = ()
    generated_token_ids: tuple[int, ...] = ()
    settings: WheelSettings = WheelSettings()
    starting_settings: WheelSettings = WheelSettings()
    version: int = 0
    looks: int = 0
    began_under: tuple[str, str] | None = None

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Prompt and generated tokens, in order."""
        return self.prompt_token_ids + self.generated_token_ids


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer given to an idempotency key. `scope` is the session's id, or what stands for it before there is one."""

    scope: str
    key_hash: str
    fingerprint: str
    body: str
    expires_at_epoch_s: int


class SessionStore(Protocol):
    """Where sessions live. Expired means gone, on every read and write, whatever the store still holds.

    Every method raises StoreUnavailableError when the store does not answer. A write that brings an answer raises
    AnswerExistsError when that answer's key has a live answer already, before it looks at anything else: the request
    was applied by an earlier attempt or by its twin, and the caller reads that answer. A write that raises another error
    than StoreUnavailableError has changed nothing that can be read; after that one it may have been done.
    """

    def create(self, session: Session, turns: Sequence[Turn] = (), answer: StoredAnswer | None = None) -> None:
        """Keep a new session with its turns (a fork brings some) and the answer that made it.

        Raises AnswerExistsError, or VersionConflictError when the id is taken.
        """

    def load(self, session_id: str) -> Session:
        """The session's head. Raises SessionNotFoundError."""

    def turns(self, session_id: str, *, start: int, stop: int) -> list[Turn]:
        """Turns with start <= index < stop, by index, as far as there are any. Raises SessionNotFoundError."""

    def commit(self, before: Session, after: Session, *, turn: Turn | None = None, answer: StoredAnswer | None = None) -> None:
        """Put `after` in the place of `before`, with the turn it appended and the answer it gave: all or nothing.

        Turns beyond the tokens of `after` are undone. Raises AnswerExistsError, VersionConflictError when the stored version
        and looks are not `before`'s, SessionNotFoundError when the session is gone.
        """

    def delete(self, session_id: str, *, answer: StoredAnswer | None = None) -> None:
        """Forget the session and everything of it, the answer that began it too, but not `answer`.

        A delete that failed half-way has made the session unreadable at least; the next one removes what is left.
        Raises AnswerExistsError, SessionNotFoundError.
        """

    def find_answer(self, scope: str, key_hash: str) -> StoredAnswer | None:
        """The live answer kept for an idempotency key, if there is one. It may outlive its session."""

    def check(self) -> None:
        """Do one cheap read, to tell whether the store answers."""


class AnswerExistsError(Exception):
    """Raise when another request with the same idempotency key was answered first; the caller reads that answer."""
