"""Laws of the ledger's writes, on a real store: every change is kept exactly once."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.errors import IdempotencyKeyReusedError, SessionBusyError, VersionConflictError
from handler.wheel.ledger import ATTEMPTS, Ledger, Write
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from model_layer.language_model import LanguageModel
from tests.ledger_steps import (
    PRESSES,
    ContestedStore,
    OvertakenStore,
    at_once,
    deleted_id,
    forked_id,
    spin,
    spin_with,
    spun_body,
    start,
    undone_text,
)
from tests.tiny_sessions import SAME, Clock


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
    likely = SettingsChange(top_k=3)  # a draw of end of text, one in thousands otherwise, would end the session
    bodies = [json.loads(body) for body in at_once(PRESSES, lambda _: spin(ledger, wheel, session_id, settings=likely))]
    session, turns = ledger.history(session_id)
    assert sorted(body["version"] for body in bodies) == list(range(1, PRESSES + 1))
    by_version = sorted(bodies, key=lambda body: int(body["version"]))
    assert [turn.token_id for turn in turns] == [body["token"] for body in by_version]
    assert session.version == PRESSES


def test_a_write_that_always_loses_ends(wheel: TokenWheel, session_id: str, tmp_path: Path, clock: Clock) -> None:
    """After its last attempt it says that the session is busy, and nothing else; it has paused after each."""
    pauses: list[int] = []
    contested = ContestedStore(tmp_path / "sessions.db", clock=clock)
    losing = Ledger(contested, wheel, pause=pauses.append)
    keyed = Write(key_hash="k", fingerprint="f")
    asks: list[Callable[[], object]] = [
        lambda: spin(losing, wheel, session_id),
        lambda: spin(losing, wheel, session_id, Write(expected_version=0)),
        lambda: start(losing, wheel, keyed),
        lambda: losing.look(session_id, lambda session: wheel.look(session, SettingsChange(threshold=0.5))),
    ]
    for ask in asks:
        pauses.clear()
        with pytest.raises(SessionBusyError):
            ask()
        assert pauses == list(range(ATTEMPTS))
    contested.close()


def test_threads_with_one_key_make_one_turn(ledger: Ledger, wheel: TokenWheel, session_id: str) -> None:
    """All of them get the body of the one that won, with an expected version or without."""
    for version, key in enumerate(["a", "b", "c"]):
        expected = version if key != "a" else None
        write = Write(expected_version=expected, key_hash=key, fingerprint="spin")
        assert len(set(at_once(8, partial(spin_with, ledger, wheel, session_id, write)))) == 1
    assert len(ledger.history(session_id)[1]) == 3


def test_a_twin_that_is_kept_between_two_reads_gives_its_answer(
    wheel: TokenWheel, model: LanguageModel, store: SqliteSessionStore, session_id: str, tmp_path: Path, clock: Clock
) -> None:
    """The other request commits after this one looked for an answer and before it loads the session.

    Then the session has another version, is finished, has nothing left to undo, or is gone: all of it the twin's doing.
    """
    quick = Ledger(store, wheel)
    spin_write = Write(expected_version=0, key_hash="spin", fingerprint="spin")
    delete_write = Write(key_hash="delete", fingerprint="delete")
    slow_store = OvertakenStore(tmp_path / "sessions.db", clock=clock)
    slow = Ledger(slow_store, wheel)
    for ask in (
        lambda ledger: spin(ledger, wheel, session_id, spin_write),
        lambda ledger: ledger.change(session_id, wheel.undo, undone_text, Write(key_hash="undo", fingerprint="undo")),
        lambda ledger: ledger.change(
            session_id,
            lambda session: wheel.choose(session, token_id=model.end_of_text_id, settings_change=SAME),
            spun_body,
            Write(key_hash="end", fingerprint="end"),
        ),
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
