"""Laws of the ledger's looks, histories and deletions, on a real store."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.errors import SessionNotFoundError, VersionConflictError
from handler.wheel.ledger import Ledger, Write
from handler.wheel.outcomes import Appended, Change
from handler.wheel.session import NEW_SESSIONS_SCOPE, Session
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from tests.ledger_steps import FREELY, OvertakenStore, deleted_id, forget, forked_id, spin, spun_body, start, undone_text
from tests.tiny_sessions import SAME, Clock


def test_a_look_keeps_its_settings_for_the_next_spin(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """Looked at with T = 2, spun without settings: the turn is recorded at T = 2."""
    look = ledger.look(session_id, lambda session: wheel.look(session, SettingsChange(temperature=2)))
    spin(ledger, wheel, session_id)
    session, (turn,) = ledger.history(session_id)
    assert look.session.version == 0
    assert (turn.settings.temperature, session.settings.temperature) == (2, 2)


def test_a_look_during_a_spin_is_not_lost(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """What was shown while a spin was computed is not overwritten by it: the spin begins again from those settings."""
    meanwhile = iter([True])

    def spin_slowly(session: Session) -> Change[Appended]:
        if next(meanwhile, False):
            ledger.look(session_id, lambda found: wheel.look(found, SettingsChange(threshold=0.2)))
        return wheel.spin(session, SettingsChange(temperature=3))

    ledger.change(session_id, spin_slowly, spun_body, Write(expected_version=0))
    session, (turn,) = ledger.history(session_id)
    assert turn.settings == session.settings
    assert (session.version, turn.settings.threshold, turn.settings.temperature) == (1, 0.2, 3)


def test_a_spin_during_a_look_is_neither_lost_nor_its_settings(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """The look begins again after the spin, and its own settings are then the last shown."""
    meanwhile = iter([True])

    def look_slowly(session: Session) -> Change[Session]:
        if next(meanwhile, False):
            spin(ledger, wheel, session_id, settings=SettingsChange(temperature=3))
        after = wheel.look(session, SettingsChange(threshold=0.2)).after
        return Change(after, after)

    seen = ledger.look(session_id, look_slowly)
    assert (seen.version, seen.settings.temperature, seen.settings.threshold) == (1, 1, 0.2)
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


def test_a_read_tells_what_is_stored(ledger: Ledger, wheel: TokenWheel, store: SqliteSessionStore, clock: Clock) -> None:
    """Whether it kept the access or not: the times in an answer are those that count."""
    session_id = start(ledger, wheel)
    reads: list[Callable[[], Session]] = [
        lambda: ledger.read(session_id),
        lambda: ledger.history(session_id)[0],
        lambda: ledger.look(session_id, lambda session: wheel.look(session, SAME)).session,
        lambda: ledger.look(session_id, lambda session: wheel.look(session, SettingsChange(threshold=0.5))).session,
    ]
    for seconds in (1, 59, 61, 600):
        for read in reads:
            clock.now += timedelta(seconds=seconds)
            assert read() == store.load(session_id)


def test_a_fork_keeps_its_source_alive(ledger: Ledger, session_id: str, clock: Clock) -> None:
    """Any access counts, and so does a write at any time."""
    for _ in range(3):
        clock.now += timedelta(minutes=40)
        ledger.fork(session_id, at_turn=None, render=forked_id, write=FREELY)
    clock.now += timedelta(seconds=5)
    ledger.fork(session_id, at_turn=None, render=forked_id, write=FREELY)
    assert ledger.read(session_id).last_accessed == clock.now


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


def test_a_token_that_was_drawn_again_while_its_turn_was_read_is_noticed(
    ledger: Ledger, wheel: TokenWheel, session_id: str, tmp_path: Path, clock: Clock
) -> None:
    """Undone and chosen again, a token looks the same; head and turns are of one version all the same."""
    spin(ledger, wheel, session_id)
    overtaken = OvertakenStore(tmp_path / "sessions.db", clock=clock)

    def draw_again() -> None:
        token_id = ledger.read(session_id).generated_token_ids[0]
        ledger.change(session_id, wheel.undo, undone_text, FREELY)
        ledger.change(session_id, lambda found: wheel.choose(found, token_id=token_id, settings_change=SAME), forget, FREELY)

    overtaken.before_next_turns = draw_again
    session, (turn,) = Ledger(overtaken, wheel).history(session_id)
    assert (session.version, turn.draw) == (3, None)
    overtaken.close()


def test_nothing_repeats_the_text_of_a_deleted_session(ledger: Ledger, wheel: TokenWheel, store: SqliteSessionStore) -> None:
    """The answers that began a session and its fork are forgotten with them: their keys begin new sessions."""
    write = Write(key_hash="k", fingerprint="f")
    source_id = start(ledger, wheel, write)

    def fork() -> str:
        return ledger.fork(source_id, at_turn=None, render=forked_id, write=write)

    fork_id = fork()
    ledger.delete(fork_id, deleted_id, FREELY)
    assert fork() != fork_id
    ledger.delete(source_id, deleted_id, FREELY)
    assert store.find_answer(source_id, "k") is None
    assert start(ledger, wheel, write) != source_id


def test_answers_expire_with_the_session_they_tell_of(
    ledger: Ledger, wheel: TokenWheel, store: SqliteSessionStore, session_id: str
) -> None:
    """Whatever was answered to a key is kept no longer than the session of that answer."""
    write = Write(key_hash="k", fingerprint="f")
    began_id = start(ledger, wheel, write)
    spin(ledger, wheel, session_id, write)
    fork_id = ledger.fork(began_id, at_turn=None, render=forked_id, write=write)
    for scope, told_id in ((NEW_SESSIONS_SCOPE, began_id), (session_id, session_id), (began_id, fork_id)):
        answer = store.find_answer(scope, "k")
        assert answer is not None
        assert answer.expires_at_epoch_s == store.load(told_id).expires_at_epoch_s


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
