"""Laws of the ledger, on a real store: every change is kept exactly once."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.errors import IdempotencyKeyReusedError, SessionNotFoundError, VersionConflictError
from handler.wheel.ledger import ATTEMPTS, Ledger, Write
from handler.wheel.outcomes import Appended, Change, Forked, Started
from handler.wheel.session import Session
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from tests.tiny_sessions import SAME, Clock

FREELY = Write()


class OvertakenStore(SqliteSessionStore):
    """A store in which something happens right before a load."""

    before_next_load: Callable[[], object] | None = None

    def load(self, session_id: str) -> Session:
        """The head, after what happens once."""
        happening, self.before_next_load = self.before_next_load, None
        if happening:
            happening()
        return super().load(session_id)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteSessionStore]:
    """A store in a new file."""
    store = SqliteSessionStore(tmp_path / "sessions.db", clock=clock)
    yield store
    store.close()


@pytest.fixture
def ledger(store: SqliteSessionStore, wheel: TokenWheel) -> Ledger:
    """The ledger of the store."""
    return Ledger(store, wheel)


@pytest.fixture
def session_id(ledger: Ledger, wheel: TokenWheel) -> str:
    """A kept session at its prompt."""
    return start(ledger, wheel)


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


def test_a_spin_is_kept_with_its_turn(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """What the answer says is what is read back."""
    body = json.loads(spin(ledger, wheel, session_id))
    session, (turn,) = ledger.history(session_id)
    assert turn.draw is not None
    assert (turn.token_id, turn.draw.u, session.version) == (body["token"], body["u"], body["version"])
    assert session.generated_token_ids == (turn.token_id,)


def test_the_same_key_twice_is_one_turn_and_the_very_same_body(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """A retry reads the stored answer, also after other turns and with the version it was first sent with."""
    write = Write(expected_version=0, key_hash="k1", fingerprint="spin")
    first = spin(ledger, wheel, session_id, write)
    spin(ledger, wheel, session_id)
    assert spin(ledger, wheel, session_id, write) == first
    assert len(ledger.read(session_id).generated_token_ids) == 2


def test_without_a_key_or_with_another_one_it_is_another_turn(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Only the same key is a retry."""
    bodies = [spin(ledger, wheel, session_id, Write(key_hash=key, fingerprint="spin")) for key in (None, None, "a", "b")]
    assert len(set(bodies)) == 4
    assert len(ledger.history(session_id)[1]) == 4


def test_a_key_belongs_to_its_session(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Two students may use the same key."""
    write = Write(key_hash="k", fingerprint="spin")
    other_id = start(ledger, wheel)
    assert spin(ledger, wheel, session_id, write) != spin(ledger, wheel, other_id, write)


def test_the_same_key_with_another_request_is_refused(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """For a change, a start and a fork alike, and nothing is kept."""
    spin(ledger, wheel, session_id, Write(key_hash="k", fingerprint="spin"))
    start(ledger, wheel, Write(key_hash="k", fingerprint="start"))
    other = Write(key_hash="k", fingerprint="another request")
    asks: list[Callable[[], str]] = [
        lambda: spin(ledger, wheel, session_id, other),
        lambda: start(ledger, wheel, other),
        lambda: ledger.fork(session_id, at_turn=None, render=forked_id, write=other),
        lambda: ledger.delete(session_id, deleted_id, other),
    ]
    for ask in asks:
        with pytest.raises(IdempotencyKeyReusedError):
            ask()
    assert ledger.read(session_id).version == 1


def test_a_failed_write_leaves_its_key_free(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """A request that was refused can be mended and sent with the same key."""
    write = Write(expected_version=7, key_hash="k", fingerprint="spin")
    with pytest.raises(VersionConflictError):
        spin(ledger, wheel, session_id, write)
    spin(ledger, wheel, session_id, Write(expected_version=0, key_hash="k", fingerprint="mended"))
    assert ledger.read(session_id).version == 1


def test_a_stale_version_is_refused_with_the_current_one(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """A client that looks at an older version changes nothing, and learns the version to look at."""
    spin(ledger, wheel, session_id, Write(expected_version=0))
    with pytest.raises(VersionConflictError, match="version is now 1") as refused:
        spin(ledger, wheel, session_id, Write(expected_version=0))
    assert refused.value.current_version == 1
    assert ledger.read(session_id).version == 1


def test_threads_that_spin_one_session_all_get_a_turn(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Without an expected version as many turns are kept as were asked for: no update is lost, none is made twice."""
    bodies = [json.loads(body) for body in at_once(ATTEMPTS, lambda _: spin(ledger, wheel, session_id))]
    session, turns = ledger.history(session_id)
    assert sorted(body["version"] for body in bodies) == list(range(1, ATTEMPTS + 1))
    by_version = sorted(bodies, key=lambda body: int(body["version"]))
    assert [turn.token_id for turn in turns] == [body["token"] for body in by_version]
    assert session.version == ATTEMPTS


def test_threads_with_one_key_make_one_turn(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """All of them get the body of the one that won, with an expected version or without."""
    for version, key in enumerate(["a", "b", "c"]):
        expected = version if key != "a" else None
        write = Write(expected_version=expected, key_hash=key, fingerprint="spin")
        assert len(set(at_once(8, partial(spin_with, ledger, wheel, session_id, write)))) == 1
    assert len(ledger.history(session_id)[1]) == 3


def test_a_twin_that_is_kept_between_two_reads_gives_its_answer(
    wheel: TokenWheel, store: SqliteSessionStore, session_id: str, tmp_path: Path, clock: Clock
) -> None:
    """The other request with the key commits after this one looked for an answer and before it loads the session."""
    quick = Ledger(store, wheel)
    spin_write = Write(expected_version=0, key_hash="spin", fingerprint="spin")
    delete_write = Write(key_hash="delete", fingerprint="delete")
    slow_store = OvertakenStore(tmp_path / "sessions.db", clock=clock)
    slow = Ledger(slow_store, wheel)
    for ask in (
        lambda ledger: spin(ledger, wheel, session_id, spin_write),
        lambda ledger: ledger.delete(session_id, deleted_id, delete_write),
    ):
        twin: list[str] = []
        slow_store.before_next_load = lambda ask=ask, twin=twin: twin.append(ask(quick))
        assert ask(slow) == twin[0]
    slow_store.close()


def test_threads_at_one_version_have_one_winner(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Of the spins made for the same version one is kept, the others are told."""

    def outcome(_: int) -> str:
        try:
            return spin(ledger, wheel, session_id, Write(expected_version=0))
        except VersionConflictError as conflict:
            return f"now {conflict.current_version}"

    assert at_once(6, outcome).count("now 1") == 5
    assert ledger.read(session_id).version == 1


def test_threads_with_one_key_start_one_session(ledger: Ledger, wheel: TokenWheel) -> None:
    """Starting is exactly once too."""
    ids = at_once(6, lambda _: start(ledger, wheel, Write(key_hash="k", fingerprint="start")))
    assert len(set(ids)) == 1
    assert ledger.read(ids[0]).version == 0


def test_a_look_keeps_its_settings_for_the_next_spin(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Looked at with T = 2, spun without settings: the turn is recorded at T = 2."""
    look = ledger.look(session_id, lambda session: wheel.look(session, SettingsChange(temperature=2)))
    spin(ledger, wheel, session_id)
    session, (turn,) = ledger.history(session_id)
    assert look.session.version == 0
    assert (turn.settings.temperature, session.settings.temperature) == (2, 2)


def test_a_spin_during_a_look_is_neither_lost_nor_its_settings(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """The look begins again after the spin, and its own settings are then the last shown; the rest is the spin's."""
    meanwhile = iter([True])

    def look_slowly(session: Session) -> Change[Session]:
        if next(meanwhile, False):
            spin(ledger, wheel, session_id, settings=SettingsChange(temperature=3))
        after = wheel.look(session, SettingsChange(threshold=0.2)).after
        return Change(after, after)

    seen = ledger.look(session_id, look_slowly)
    assert (seen.version, seen.settings.temperature, seen.settings.threshold) == (1, 3, 0.2)
    assert ledger.read(session_id) == seen


def test_reading_keeps_a_session_alive(ledger: Ledger, session_id: str, clock: Clock) -> None:
    """Read every forty minutes it outlives its idle hour; left alone for an hour it is gone."""
    for _ in range(4):
        clock.now += timedelta(minutes=40)
        assert ledger.read(session_id).last_accessed == clock.now
    clock.now += timedelta(minutes=60)
    with pytest.raises(SessionNotFoundError):
        ledger.read(session_id)


def test_a_read_writes_at_most_once_a_minute(ledger: Ledger, store: SqliteSessionStore, session_id: str, clock: Clock) -> None:
    """Within the minute the stored head stays as it is, after it the access is kept."""
    kept = store.load(session_id)
    clock.now += timedelta(seconds=59)
    ledger.read(session_id)
    assert store.load(session_id) == kept
    clock.now += timedelta(seconds=2)
    ledger.read(session_id)
    assert store.load(session_id).last_accessed == clock.now


def test_a_fork_has_the_turns_up_to_its_point(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """They are the very same turns; the fork goes its own way, and its key makes one fork."""
    for _ in range(4):
        spin(ledger, wheel, session_id)
    write = Write(key_hash="k", fingerprint="fork")

    def fork() -> str:
        return ledger.fork(session_id, at_turn=3, render=forked_id, write=write)

    fork_id = fork()
    assert fork() == fork_id != session_id
    assert ledger.history(fork_id)[1] == ledger.history(session_id)[1][:3]
    spin(ledger, wheel, fork_id)
    assert [ledger.read(one).version for one in (session_id, fork_id)] == [4, 1]


def test_history_comes_in_pages(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Turns are sliced as a list is, also from the end and past it."""
    for _ in range(5):
        spin(ledger, wheel, session_id)
    _, turns = ledger.history(session_id)
    assert [turn.index for turn in turns] == [0, 1, 2, 3, 4]
    for page in (slice(-2, None), slice(1, 3), slice(4, 99), slice(-200, None), slice(9, None)):
        assert ledger.history(session_id, start=page.start, stop=page.stop)[1] == turns[page]


def test_turns_that_are_no_longer_the_sessions_are_a_lost_race(
    ledger: Ledger, wheel: TokenWheel, store: SqliteSessionStore, session_id: str
) -> None:
    """A head and turns of different versions never come together in one answer."""
    spin(ledger, wheel, session_id)
    stale = store.load(session_id)
    ledger.change(session_id, wheel.undo, lambda undone: undone.text, FREELY)
    with pytest.raises(VersionConflictError):
        ledger.turns(stale)


def test_a_deleted_session_is_gone_and_a_retry_says_so_again(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """The same key gets the same answer, anyone else learns that there is no such session."""
    write = Write(key_hash="k", fingerprint="delete")
    assert ledger.delete(session_id, deleted_id, write) == session_id
    assert ledger.delete(session_id, deleted_id, write) == session_id
    with pytest.raises(SessionNotFoundError):
        spin(ledger, wheel, session_id)


def test_an_answer_that_could_not_be_rendered_keeps_nothing(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """The body is made before the commit: no turn without an answer."""

    def broken(_: Appended) -> str:
        raise OverflowError

    with pytest.raises(OverflowError):
        ledger.change(session_id, lambda session: wheel.spin(session, SAME), broken, FREELY)
    assert ledger.read(session_id).version == 0
