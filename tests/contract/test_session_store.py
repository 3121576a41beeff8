"""What every session store promises, on SQLite and on DynamoDB alike."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from handler.wheel.errors import SessionNotFoundError, VersionConflictError
from handler.wheel.session import NEW_SESSIONS_SCOPE, AnswerExistsError, Session, SessionStore, StoredAnswer, Turn, WheelSettings
from tests.contract import session_values as values
from tests.contract.session_values import IDLE_S, NOON, SetClock, appended, new_answer, new_session, new_turn, undone

one_store_for_all_examples = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture(params=values.STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[SessionStore]:
    """An empty store of each kind."""
    with request.param(tmp_path, clock) as opened:
        yield opened


def kept(store: SessionStore, tokens: int = 0) -> Session:
    """A session kept in the store, with some turns committed."""
    session = new_session()
    store.create(session)
    for token_id in range(tokens):
        session = committed(store, session, token_id)
    return session


def committed(store: SessionStore, before: Session, token_id: int, answer: StoredAnswer | None = None) -> Session:
    """The session after one more turn, committed."""
    after, turn = appended(before, token_id)
    store.commit(before, after, turn=turn, answer=answer)
    return after


def all_turns(store: SessionStore, session: Session) -> list[Turn]:
    """Every turn the store gives for the session."""
    return store.turns(session.id, start=0, stop=1000)


@one_store_for_all_examples
@given(session=values.sessions)
def test_created_is_loaded_equal(store: SessionStore, session: Session) -> None:
    """A created session is loaded equal, to the last bit of its floats and the offset of its times."""
    store.create(session)
    loaded = store.load(session.id)
    assert repr(loaded) == repr(session)
    store.delete(session.id)


@one_store_for_all_examples
@given(turn=values.turns)
def test_a_turn_is_kept_exactly(store: SessionStore, turn: Turn) -> None:
    """A committed turn comes back equal; repr tells -0.0 from 0.0 and shows every bit of a double."""
    before = kept(store)
    after = replace(before, generated_token_ids=(turn.token_id,), version=1)
    store.commit(before, after, turn=turn)
    assert repr(all_turns(store, after)) == repr([turn])


@pytest.mark.parametrize("value", [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 0.1 + 0.2, 1 / 3, 1.0])
def test_floats_are_exact(store: SessionStore, value: float) -> None:
    """The smallest, the largest, the negative zero and the unrepresentable come back as the same double."""
    session = replace(new_session(), settings=WheelSettings(threshold=value))
    store.create(session)
    assert store.load(session.id).settings.threshold.hex() == value.hex()


def test_unknown_session_is_not_found(store: SessionStore) -> None:
    """Nothing can be done with a session that was never made."""
    session = new_session()
    for use in uses(store, session):
        with pytest.raises(SessionNotFoundError):
            use()


def test_expired_session_cannot_be_deleted(store: SessionStore, clock: SetClock) -> None:
    """Deleting an expired session is deleting one that is not there."""
    session = kept(store, tokens=2)
    clock.forward(IDLE_S)
    with pytest.raises(SessionNotFoundError):
        store.delete(session.id)


def test_expired_session_is_gone(store: SessionStore, clock: SetClock) -> None:
    """From its last second on, a session is gone for every method, although nothing has removed it."""
    session = kept(store, tokens=2)
    clock.forward(IDLE_S - 1)
    assert store.load(session.id) == session
    clock.forward(1)
    for use in uses(store, session)[:-1]:  # a delete would remove what is left of it
        with pytest.raises(SessionNotFoundError):
            use()
    clock.now = NOON
    assert store.load(session.id) == session
    assert len(all_turns(store, session)) == 2


def uses(store: SessionStore, session: Session) -> list[Callable[[], object]]:
    """Every use of a session, with an answer where one can be given."""
    after, turn = appended(session, 5)
    return [
        lambda: store.load(session.id),
        lambda: store.turns(session.id, start=0, stop=9),
        lambda: store.commit(session, after, turn=turn, answer=new_answer(session.id, expires_in_s=2 * IDLE_S)),
        lambda: store.delete(session.id, answer=new_answer(session.id, expires_in_s=2 * IDLE_S)),
    ]


def test_refused_writes_leave_no_answer(store: SessionStore) -> None:
    """A write to a session that is not there keeps no answer either."""
    session = new_session()
    for use in uses(store, session):
        with pytest.raises(SessionNotFoundError):
            use()
    assert store.find_answer(session.id, "5f2c") is None


def test_commit_puts_head_turn_and_answer(store: SessionStore) -> None:
    """A commit keeps the new head, the turn and the answer."""
    before = kept(store, tokens=1)
    after, turn = appended(before, 7)
    answer = new_answer(before.id)
    store.commit(before, after, turn=turn, answer=answer)
    assert store.load(before.id) == after
    assert all_turns(store, after) == [new_turn(0, 0), turn]
    assert store.find_answer(before.id, answer.key_hash) == answer


def test_stale_commit_changes_nothing(store: SessionStore) -> None:
    """A commit made for an older version is refused, names the version there is, and keeps neither turn nor answer."""
    stale = kept(store, tokens=1)
    current = committed(store, stale, 3)
    after, turn = appended(stale, 9)
    with pytest.raises(VersionConflictError) as refused:
        store.commit(stale, after, turn=turn, answer=new_answer(stale.id))
    assert refused.value.current_version == current.version
    assert store.load(current.id) == current
    assert [kept_turn.token_id for kept_turn in all_turns(store, current)] == [0, 3]
    assert store.find_answer(stale.id, "5f2c") is None


def test_commit_that_missed_a_look_is_refused(store: SessionStore) -> None:
    """Settings that a look has kept are not overwritten by a write that did not know of them, though the version is the same."""
    stale = kept(store)
    looked = replace(stale, settings=WheelSettings(threshold=0.5), looks=1)
    store.commit(stale, looked)
    after, turn = appended(stale, 3)
    for late in (after, replace(stale, settings=WheelSettings(temperature=2), looks=1)):
        with pytest.raises(VersionConflictError) as refused:
            store.commit(stale, late, turn=turn if late is after else None)
        assert refused.value.current_version == stale.version
    assert store.load(stale.id) == looked


def test_answered_commit_is_refused_first(store: SessionStore) -> None:
    """A commit whose key has a live answer is refused for that, whether its version is current or stale."""
    stale = kept(store)
    answer = new_answer(stale.id)
    current = committed(store, stale, 1, answer)
    for before in (stale, current):
        after, turn = appended(before, 2)
        with pytest.raises(AnswerExistsError):
            store.commit(before, after, turn=turn, answer=replace(answer, body="another"))
    assert store.load(current.id) == current
    assert [turn.token_id for turn in all_turns(store, current)] == [1]
    assert store.find_answer(stale.id, answer.key_hash) == answer


def test_undone_turn_is_replaced(store: SessionStore) -> None:
    """After an undo the turn is gone, and another turn takes its index."""
    session = kept(store, tokens=3)
    shorter = undone(session)
    store.commit(session, shorter)
    assert [turn.token_id for turn in all_turns(store, shorter)] == [0, 1]
    longer = committed(store, shorter, 40)
    assert all_turns(store, longer) == [new_turn(0, 0), new_turn(1, 1), new_turn(2, 40)]


def test_new_prompt_clears_turns(store: SessionStore) -> None:
    """A commit without generated tokens leaves no turn."""
    session = kept(store, tokens=3)
    cleared = replace(session, prompt_token_ids=(1,), generated_token_ids=(), version=session.version + 1)
    store.commit(session, cleared)
    assert store.load(session.id) == cleared
    assert all_turns(store, cleared) == []


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (0, 2), (2, 4), (4, 99), (5, 9), (3, 3), (4, 2), (0, 0)])
def test_turns_are_paged(store: SessionStore, start: int, stop: int) -> None:
    """Turns from start up to stop come by index, like a slice of a list."""
    session = kept(store, tokens=5)
    indices = [turn.index for turn in store.turns(session.id, start=start, stop=stop)]
    assert indices == list(range(5))[start:stop]


def test_fork_of_512_turns(store: SessionStore) -> None:
    """A session is created with all turns of the longest session there can be."""
    turns = [new_turn(index, token_id=index % 50) for index in range(512)]
    session = replace(new_session(), generated_token_ids=tuple(turn.token_id for turn in turns))
    store.create(session, turns)
    assert store.load(session.id) == session
    assert all_turns(store, session) == turns


def test_delete_forgets_all_but_its_answer(store: SessionStore) -> None:
    """A deleted session has no head, turns or answers any more; the answer to the delete stays."""
    session = kept(store)
    session = committed(store, session, 1, new_answer(session.id, "11"))
    session = committed(store, session, 2, new_answer(session.id, "22"))
    other = kept(store, tokens=1)
    goodbye = new_answer(session.id, "33")
    store.delete(session.id, answer=goodbye)
    for use in uses(store, session):
        with pytest.raises(SessionNotFoundError):
            use()
    assert [store.find_answer(session.id, key) for key in ("11", "22", "33")] == [None, None, goodbye]
    assert store.load(other.id) == other
    assert len(all_turns(store, other)) == 1


@pytest.mark.parametrize("scope", [NEW_SESSIONS_SCOPE, "the id of the session it was forked from"])
def test_delete_forgets_the_answer_that_began_the_session(store: SessionStore, scope: str) -> None:
    """The answer to the creating request holds the student's text too; those that began other sessions stay."""
    beginnings = [new_answer(scope, key_hash) for key_hash in ("11", "22")]
    mine, other = (replace(new_session(), began_under=(answer.scope, answer.key_hash)) for answer in beginnings)
    store.create(mine, answer=beginnings[0])
    store.create(other, answer=beginnings[1])
    store.delete(mine.id, answer=new_answer(mine.id))
    assert [store.find_answer(scope, key_hash) for key_hash in ("11", "22")] == [None, beginnings[1]]


def test_deleted_turns_do_not_come_back(store: SessionStore) -> None:
    """A session made again under the id of a deleted one has none of its turns."""
    session = kept(store, tokens=3)
    store.delete(session.id)
    store.create(replace(session, generated_token_ids=(1, 2, 3)))
    assert all_turns(store, session) == []


def test_second_delete_with_a_key_finds_the_answer(store: SessionStore) -> None:
    """A delete whose key has a live answer is refused for that, not because the session is gone."""
    session = kept(store)
    goodbye = new_answer(session.id)
    store.delete(session.id, answer=goodbye)
    with pytest.raises(AnswerExistsError):
        store.delete(session.id, answer=goodbye)


def test_answered_create_makes_no_session(store: SessionStore) -> None:
    """A create whose key has a live answer makes no session and leaves the answer."""
    first, second = new_session(), new_session()
    answer = new_answer(NEW_SESSIONS_SCOPE)
    store.create(first, answer=answer)
    with pytest.raises(AnswerExistsError):
        store.create(second, [new_turn(0, 1)], replace(answer, body="another"))
    with pytest.raises(SessionNotFoundError):
        store.load(second.id)
    assert store.find_answer(answer.scope, answer.key_hash) == answer


def test_taken_id_is_refused(store: SessionStore) -> None:
    """A create never overwrites a session, and keeps no answer."""
    session = kept(store, tokens=2)
    with pytest.raises(VersionConflictError) as refused:
        store.create(replace(session, version=0), answer=new_answer(NEW_SESSIONS_SCOPE))
    assert refused.value.current_version == 2
    assert store.load(session.id) == session
    assert store.find_answer(NEW_SESSIONS_SCOPE, "5f2c") is None


def test_expired_answer_may_be_replaced(store: SessionStore, clock: SetClock) -> None:
    """An answer is found until its last second, and then its key is free again."""
    old = new_answer(NEW_SESSIONS_SCOPE, expires_in_s=600)
    store.create(new_session(), answer=old)
    clock.forward(599)
    assert store.find_answer(old.scope, old.key_hash) == old
    clock.forward(1)
    assert store.find_answer(old.scope, old.key_hash) is None
    new = replace(old, body="another", expires_at_epoch_s=old.expires_at_epoch_s + 600)
    store.create(new_session(now=clock.now), answer=new)
    assert store.find_answer(old.scope, old.key_hash) == new


def test_expired_answer_is_replaced_by_a_commit(store: SessionStore, clock: SetClock) -> None:
    """The key of an expired answer is free for a commit too, although the old answer still lies there."""
    session = kept(store)
    old = new_answer(session.id, expires_in_s=600)
    session = committed(store, session, 1, old)
    clock.forward(600)
    new = replace(old, body="another", expires_at_epoch_s=old.expires_at_epoch_s + 600)
    committed(store, session, 2, new)
    assert store.find_answer(old.scope, old.key_hash) == new


def test_answers_of_scopes_are_apart(store: SessionStore) -> None:
    """The same key in two scopes stands for two requests."""
    session, other = kept(store), kept(store)
    answers = [new_answer(scope, body=scope) for scope in (session.id, other.id, NEW_SESSIONS_SCOPE)]
    committed(store, session, 1, answers[0])
    committed(store, other, 1, answers[1])
    store.create(new_session(), answer=answers[2])
    assert [store.find_answer(answer.scope, answer.key_hash) for answer in answers] == answers


def test_check_reads_an_empty_store(store: SessionStore) -> None:
    """A store that answers passes its check, and goes on working."""
    store.check()
    assert store.load(kept(store).id).version == 0
