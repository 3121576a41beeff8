"""Changes of sessions, each kept exactly once however often and however concurrently it is asked for.

A write with an idempotency key is kept together with its answer in one transaction; whoever asks again reads that answer.
A write that lost a race begins again from what won, so no change is lost and none is made of stale tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from handler.wheel.errors import IdempotencyKeyReusedError, SessionNotFoundError, VersionConflictError
from handler.wheel.outcomes import Change, Forked
from handler.wheel.session import NEW_SESSIONS_SCOPE, AnswerExistsError, Session, SessionStore, StoredAnswer, Turn
from handler.wheel.token_wheel import TokenWheel

S = TypeVar("S")
T = TypeVar("T")

ATTEMPTS = 8  # of one write among concurrent ones
ANSWER_TTL_S = 86_400


@dataclass(frozen=True, slots=True)
class Write:
    """The conditions of a write: the version it was meant for, and the hash of its idempotency key.

    `fingerprint` stands for the request, so that a key cannot come back with another one.
    """

    expected_version: int | None = None
    key_hash: str | None = None
    fingerprint: str = ""


class Ledger:
    """Applies the transitions of a TokenWheel to the sessions of a store."""

    def __init__(self, store: SessionStore, wheel: TokenWheel) -> None:
        """`render`, wherever it is an argument, gives the body that is stored under the key and sent."""
        self._store = store
        self._wheel = wheel

    def start(self, make: Callable[[], Change[T]], render: Callable[[T], str], write: Write) -> str:
        """Keep the new session that `make` gives, and answer. Raises IdempotencyKeyReusedError."""

        def keep(change: Change[T]) -> str:
            body = render(change.outcome)
            self._store.create(change.after, answer=_answer(NEW_SESSIONS_SCOPE, write, body, change.after))
            return body

        return _until_kept(self._answered(NEW_SESSIONS_SCOPE, write), make, keep)

    def change(
        self, session_id: str, transition: Callable[[Session], Change[T]], render: Callable[[T], str], write: Write
    ) -> str:
        """Keep what `transition` makes of the session, and answer.

        Raises SessionNotFoundError, IdempotencyKeyReusedError, VersionConflictError, and what `transition` raises.
        """

        def keep(before: Session) -> str:
            change = transition(before)
            body = render(change.outcome)
            answer = _answer(session_id, write, body, change.after)
            self._store.commit(before, change.after, turn=change.turn, answer=answer)
            return body

        return _until_kept(self._answered(session_id, write), self._expected(session_id, write), keep)

    def fork(self, session_id: str, *, at_turn: int | None, render: Callable[[Forked], str], write: Write) -> str:
        """Keep a fork of the session, its turns included, and answer. Raises what `change` raises."""

        def keep(source: Session) -> str:
            change = self._wheel.fork(source, at_turn=at_turn)
            turns = self.turns(source, stop=change.outcome.at_turn)
            body = render(change.outcome)
            self._store.create(change.after, turns, answer=_answer(session_id, write, body, change.after))
            return body

        return _until_kept(self._answered(session_id, write), self._expected(session_id, write), keep)

    def delete(self, session_id: str, render: Callable[[Session], str], write: Write) -> str:
        """Forget the session, and answer. Raises what `change` raises."""

        def keep(session: Session) -> str:
            body = render(session)
            self._store.delete(session_id, answer=_answer(session_id, write, body, self._wheel.touched(session)))
            return body

        return _until_kept(self._answered(session_id, write), self._expected(session_id, write), keep)

    def look(self, session_id: str, transition: Callable[[Session], Change[T]]) -> T:
        """What there is to see of the session after `transition`, which may change its settings but not its tokens.

        Raises SessionNotFoundError, and what `transition` raises.
        """

        def keep(before: Session) -> T:
            change = transition(before)
            if _worth_keeping(before, change.after):
                # Not `touch`: a spin that came between must not lose the settings that it showed last.
                self._store.commit(before, change.after)
            return change.outcome

        return _until_kept(lambda: None, self._expected(session_id, Write()), keep)

    def read(self, session_id: str) -> Session:
        """The session. Raises SessionNotFoundError."""
        return self.look(session_id, self._seen)

    def history(self, session_id: str, *, start: int = 0, stop: int | None = None) -> tuple[Session, list[Turn]]:
        """The session, and its turns [start:stop] as of a list: -200 starts at the last 200. Raises SessionNotFoundError."""
        return self.look(session_id, lambda session: self._seen_with_turns(session, start, stop))

    def turns(self, session: Session, *, start: int = 0, stop: int | None = None) -> list[Turn]:
        """Turns [start:stop] of a session that was just loaded. Raises VersionConflictError when it no longer has them."""
        first, end, _ = slice(start, stop).indices(len(session.generated_token_ids))
        found = self._store.turns(session.id, start=first, stop=end) if first < end else []
        if tuple(turn.token_id for turn in found) != session.generated_token_ids[first:end]:
            raise VersionConflictError(current_version=self._store.load(session.id).version)
        return found

    def _seen(self, session: Session) -> Change[Session]:
        after = self._wheel.touched(session)
        return Change(after, after)

    def _seen_with_turns(self, session: Session, start: int, stop: int | None) -> Change[tuple[Session, list[Turn]]]:
        after = self._wheel.touched(session)
        return Change(after, (after, self.turns(session, start=start, stop=stop)))

    def _answered(self, scope: str, write: Write) -> Callable[[], str | None]:
        def find() -> str | None:
            found = None if write.key_hash is None else self._store.find_answer(scope, write.key_hash)
            if found is not None and found.fingerprint != write.fingerprint:
                raise IdempotencyKeyReusedError
            return None if found is None else found.body

        return find

    def _expected(self, session_id: str, write: Write) -> Callable[[], Session]:
        def load() -> Session:
            session = self._store.load(session_id)
            if write.expected_version not in {None, session.version}:
                raise VersionConflictError(current_version=session.version)
            return session

        return load


def _until_kept(answered: Callable[[], T | None], prepare: Callable[[], S], keep: Callable[[S], T]) -> T:
    """The answer there is, or what `keep` gives; a lost race begins again."""
    attempts = ATTEMPTS
    while True:
        answer = answered()
        if answer is not None:
            return answer
        attempts -= 1
        try:
            prepared = prepare()
        except (SessionNotFoundError, VersionConflictError):
            answer = answered()  # a twin of this request may have been kept since the first look
            if answer is None:
                raise
            return answer
        try:
            return keep(prepared)
        except (AnswerExistsError, VersionConflictError):
            if not attempts:
                raise


def _answer(scope: str, write: Write, body: str, after: Session) -> StoredAnswer | None:
    if write.key_hash is None:
        return None
    expires_at_epoch_s = int(after.last_accessed.timestamp()) + ANSWER_TTL_S
    return StoredAnswer(scope, write.key_hash, write.fingerprint, body, expires_at_epoch_s)


def _worth_keeping(before: Session, after: Session) -> bool:
    """Whether a look writes: for other settings, and for the expiry at most 60 times in an idle period."""
    idle_s = before.expires_at_epoch_s - before.last_accessed.timestamp()
    seen_s = (after.last_accessed - before.last_accessed).total_seconds()
    return after.settings != before.settings or seen_s * 60 > idle_s
