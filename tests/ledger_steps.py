"""What the ledger's tests do with it, and stores in which something happens at a chosen moment."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.errors import VersionConflictError
from handler.wheel.ledger import Ledger, Write
from handler.wheel.outcomes import Appended, Change, Forked, Started, Undone
from handler.wheel.session import AnswerExistsError, Session, Turn
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from tests.tiny_sessions import SAME

FREELY = Write()
PRESSES = 32  # at once


class OvertakenStore(SqliteSessionStore):
    """A store in which something happens right before a load, or right before turns are read."""

    before_next_load: Callable[[], object] | None = None
    before_next_turns: Callable[[], object] | None = None

    def load(self, session_id: str) -> Session:
        """The head, after what happens once."""
        happening, self.before_next_load = self.before_next_load, None
        if happening:
            happening()
        return super().load(session_id)

    def turns(self, session_id: str, *, start: int, stop: int) -> list[Turn]:
        """The turns, after what happens once."""
        happening, self.before_next_turns = self.before_next_turns, None
        if happening:
            happening()
        return super().turns(session_id, start=start, stop=stop)


class ContestedStore(SqliteSessionStore):
    """A store in which another write always comes first: anyone's, or a twin's whose answer is gone again at once."""

    def create(self, *_: object, **__: object) -> None:
        """Too late."""
        raise AnswerExistsError

    def commit(self, before: Session, *_: object, **__: object) -> None:
        """Too late."""
        raise VersionConflictError(current_version=before.version)


def start(ledger: Ledger, wheel: TokenWheel, write: Write = FREELY) -> str:
    """Start a session; the body is its id."""

    def make() -> Change[Started]:
        return wheel.start(model_name=None, prompt="The fox said", settings=SAME)

    return ledger.start(make, lambda started: started.session.id, write)


def spin(ledger: Ledger, wheel: TokenWheel, session_id: str, write: Write = FREELY, settings: SettingsChange = SAME) -> str:
    """Spin once; the body tells token, draw and version."""
    return ledger.change(session_id, lambda session: wheel.spin(session, settings), spun_body, write)


def spin_with(ledger: Ledger, wheel: TokenWheel, session_id: str, write: Write, _: int) -> str:
    """Spin once, in any of several threads."""
    return spin(ledger, wheel, session_id, write)


def spun_body(spun: Appended) -> str:
    """A body that is another one for every draw."""
    u = spun.turn.draw.u if spun.turn.draw else None
    return json.dumps({"token": spun.turn.token_id, "u": u, "version": spun.session.version})


def forked_id(forked: Forked) -> str:
    """The new session's id."""
    return forked.session.id


def undone_text(undone: Undone) -> str:
    """The text that is left."""
    return undone.text


def forget(_: object) -> str:
    """A body that tells nothing."""
    return ""


def deleted_id(session: Session) -> str:
    """The session's id."""
    return session.id


def at_once(count: int, action: Callable[[int], str]) -> list[str]:
    """The results of `count` threads that begin together."""
    barrier = Barrier(count)

    def one(index: int) -> str:
        barrier.wait()
        return action(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
