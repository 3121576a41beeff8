"""Changes of sessions, each kept exactly once however often and however concurrently it is asked for.

A write with an idempotency key is kept together with its answer in one transaction; whoever asks again reads that answer.
A write that lost a race begins again from what won, so no change is lost and none is made of stale tokens.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from secrets import SystemRandom
from typing import TypeVar

from handler.wheel.errors import (
    IdempotencyKeyReusedError,
    SessionBusyError,
    SessionNotFoundError,
    StoreUnavailableError,
    VersionConflictError,
    WheelError,
)
from handler.wheel.outcomes import Change, Forked
from handler.wheel.session import NEW_SESSIONS_SCOPE, AnswerExistsError, Session, SessionStore, StoredAnswer, Turn
from handler.wheel.token_wheel import TokenWheel

T = TypeVar("T")

ATTEMPTS = 24  # of one write among concurrent ones; with their pauses they take some seconds at most
LONGEST_PAUSE_S = 0.5


def wait_a_little(attempt: int) -> None:
    """Wait up to 10 ms after attempt 0 and longer after each, by chance, so that those who met do not meet again."""
    time.sleep(SystemRandom().uniform(0, min(0.01 * 1.4**attempt, LONGEST_PAUSE_S)))


@dataclass(frozen=True, slots=True)
class Write:
    """The conditions of a write: the version it was meant for, and the hash of its idempotency key.

    `fingerprint` stands for the request, so that a key cannot come back with another one.
    """

    expected_version: int | None = None
    key_hash: str | None = None
    fingerprint: str = ""

    def new_id(self, kind: str) -> str:
        """The id of what this write begins; it follows from the key, if there is one, and nobody finds it without."""
        if self.key_hash is None:
            return str(uuid.uuid4())
        return str(uuid.UUID(bytes=hashlib.sha256(f"{kind}:{self.key_hash}".encode()).digest()[:16], version=4))


class Ledger:
    """Applies the transitions of a TokenWheel to the sessions of a store."""

    def __init__(self, store: SessionStore, wheel: TokenWheel, *, pause: Callable[[int], None] = wait_a_little) -> None:
        """`pause` is called with the number of each attempt that lost.

        `render`, wherever it is an argument, gives the body that is stored under the key and sent. Every method raises
        SessionBusyError when its attempts run out, and what the store raises.
        """
        self._store = store
        self._wheel = wheel
        self._pause = pause

    def start(self, make: Callable[[], Change[T]], render: Callable[[T], str], write: Write) -> str:
        """Keep the new session that `make` gives, and answer. Raises IdempotencyKeyReusedError."""

        def attempt() -> str:
            change = make()
            body = render(change.outcome)
            self._begin(change.after, (), _answer(NEW_SESSIONS_SCOPE, write, body, change.after))
            return body

        return self._until_kept(attempt, NEW_SESSIONS_SCOPE, write)

    def change(
        self, session_id: str, transition: Callable[[Session], Change[T]], render: Callable[[T], str], write: Write
    ) -> str:
        """Keep what `transition` makes of the session, and answer.

        Raises SessionNotFoundError, IdempotencyKeyReusedError, VersionConflictError, and what `transition` raises.
        """

        def attempt() -> str:
            before = self._expected(session_id, write)
            change = transition(before)
            body = render(change.outcome)
            answer = _answer(session_id, write, body, change.after)
            self._store.commit(before, change.after, turn=change.turn, answer=answer)
            return body

        return self._until_kept(attempt, session_id, write)

    def fork(self, session_id: str, *, at_turn: int | None, render: Callable[[Forked], str], write: Write) -> str:
        """Keep a fork of the session, its turns included, and answer. Raises what `change` raises."""

        def attempt() -> str:
            source = self._expected(session_id, write)
            change = self._wheel.fork(source, at_turn=at_turn)
            turns = self.turns(source, stop=change.outcome.at_turn)
            body = render(change.outcome)
            self._store.commit(source, self._wheel.touched(source))  # refused if the turns are no longer the source's
            self._begin(change.after, turns, _answer(session_id, write, body, change.after))
            return body

        return self._until_kept(attempt, session_id, write)

    def delete(self, session_id: str, render: Callable[[Session], str], write: Write) -> str:
        """Forget the session, and answer. Raises what `change` raises."""

        def attempt() -> str:
            session = self._expected(session_id, write)
            body = render(session)
            self._store.delete(session_id, answer=_answer(session_id, write, body, self._wheel.touched(session)))
            return body

        answered = partial(self._answer_to, session_id, write)
        answer = answered()
        if answer is None:
            return self._first_kept(attempt, answered, write.expected_version)
        with suppress(SessionNotFoundError):
            self._store.delete(session_id)  # what is left of it if that delete failed half-way
        return answer

    def look(self, session_id: str, transition: Callable[[Session], Change[T]]) -> T:
        """What there is to see of the session after `transition`, which may change its settings but not its tokens.

        Raises SessionNotFoundError, and what `transition` raises.
        """

        def attempt() -> T:
            before = self._store.load(session_id)
            change = transition(before)
            if change.after != before:
                self._store.commit(before, change.after)
            return change.outcome

        return self._first_kept(attempt, lambda: None)

    def read(self, session_id: str) -> Session:
        """The session. Raises SessionNotFoundError."""
        return self.look(session_id, self._seen)

    def history(self, session_id: str, *, start: int = 0, stop: int | None = None) -> tuple[Session, list[Turn]]:
        """The session, and its turns [start:stop] as of a list: -200 starts at the last 200. Raises SessionNotFoundError."""
        return self.look(session_id, lambda session: self._seen_with_turns(session, start, stop))

    def turns(self, session: Session, *, start: int = 0, stop: int | None = None) -> list[Turn]:
        """Turns [start:stop] of a session that was just loaded. Raises VersionConflictError when it no longer has them.

        It has them still when the same tokens were drawn again; then the version tells, at the latest when it is committed.
        """
        first, end, _ = slice(start, stop).indices(len(session.generated_token_ids))
        found = self._store.turns(session.id, start=first, stop=end) if first < end else []
        if tuple(turn.token_id for turn in found) != session.generated_token_ids[first:end]:
            raise VersionConflictError(current_version=self._store.load(session.id).version)
        return found

    def _seen(self, session: Session) -> Change[Session]:
        after = self._wheel.seen(session)
        return Change(after, after)

    def _seen_with_turns(self, session: Session, start: int, stop: int | None) -> Change[tuple[Session, list[Turn]]]:
        turns = self.turns(session, start=start, stop=stop)
        current = self._store.load(session.id)
        if current.version != session.version:
            raise VersionConflictError(current_version=current.version)
        after = self._wheel.seen(session)
        return Change(after, (after, turns))

    def _begin(self, session: Session, turns: Sequence[Turn], answer: StoredAnswer | None) -> None:
        """Create a session that knows of the answer that began it."""
        began_under = None if answer is None else (answer.scope, answer.key_hash)
        self._store.create(replace(session, began_under=began_under), turns, answer)

    def _expected(self, session_id: str, write: Write) -> Session:
        session = self._store.load(session_id)
        if write.expected_version not in {None, session.version}:
            raise VersionConflictError(current_version=session.version)
        return session

    def _answer_to(self, scope: str, write: Write) -> str | None:
        found = None if write.key_hash is None else self._store.find_answer(scope, write.key_hash)
        if found is not None and found.fingerprint != write.fingerprint:
            raise IdempotencyKeyReusedError
        return None if found is None else found.body

    def _until_kept(self, attempt: Callable[[], str], scope: str, write: Write) -> str:
        """The answer there is, or what `attempt` gives."""
        answered = partial(self._answer_to, scope, write)
        answer = answered()
        return self._first_kept(attempt, answered, write.expected_version) if answer is None else answer

    def _first_kept(self, attempt: Callable[[], T], answered: Callable[[], T | None], expected_version: int | None = None) -> T:
        """What the first attempt gives that loses no race, or the answer of a twin of this request that was kept meanwhile."""
        for number in range(ATTEMPTS):
            try:
                return attempt()
            except StoreUnavailableError:  # the one to ask does not answer, and what it had begun only a retry can finish
                raise
            except (AnswerExistsError, WheelError) as error:
                answer = answered()
                if answer is not None:
                    return answer
                if not _lost_race(error, expected_version):
                    raise
            self._pause(number)
        raise SessionBusyError


def _lost_race(error: Exception, expected_version: int | None) -> bool:
    """Whether another attempt may go better: not when the expected version is gone for good."""
    if isinstance(error, VersionConflictError):
        return expected_version in {None, error.current_version}
    return isinstance(error, AnswerExistsError)


def _answer(scope: str, write: Write, body: str, session: Session) -> StoredAnswer | None:
    """The answer to keep, as long as the session that it tells of."""
    if write.key_hash is None:
        return None
    return StoredAnswer(scope, write.key_hash, write.fingerprint, body, session.expires_at_epoch_s)
