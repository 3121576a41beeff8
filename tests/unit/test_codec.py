"""Records of sessions and turns."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from handler.stores.codec import now_epoch_s, session_from, session_record, turn_from, turn_text
from handler.wheel.session import Session, Turn, WheelSettings
from tests.contract import session_values as values


@given(session=values.sessions)
def test_session_round_trip(session: Session) -> None:
    """A session comes back from its record bit by bit."""
    assert repr(session_from(session_record(session))) == repr(session)


@given(turn=values.turns)
def test_turn_round_trip(turn: Turn) -> None:
    """A turn comes back from its text bit by bit, with or without a draw."""
    assert repr(turn_from(turn_text(turn))) == repr(turn)


@given(session=values.sessions)
def test_records_hold_no_floats(session: Session) -> None:
    """A record is texts and integers, which every store keeps exactly."""
    assert {type(value) for value in session_record(session).values()} == {str, int}


def test_token_ids_are_compact() -> None:
    """A full context window of GPT-2 takes at most 6 bytes a token."""
    session = replace(values.new_session(), generated_token_ids=(50_256,) * 1024)
    assert len(session_record(session)["generated_token_ids"]) <= 6 * 1024 + 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_floats_are_refused(value: float) -> None:
    """What JSON cannot say is never written."""
    with pytest.raises(ValueError, match="JSON"):
        turn_text(replace(values.new_turn(0, 1), probability=value))


def test_missing_settings_take_their_defaults() -> None:
    """A session written before a setting existed is read with that setting's default."""
    record = session_record(values.new_session())
    record["settings"] = json.dumps({"temperature": 2.0})
    assert session_from(record).settings == WheelSettings(temperature=2.0)


def test_time_is_floored_to_the_second() -> None:
    """What expires in second 100 is live at 99.999 and gone at 100."""
    assert now_epoch_s(lambda: datetime.fromtimestamp(99.999, UTC)) == 99
    assert now_epoch_s(lambda: datetime.fromtimestamp(100, UTC)) == 100
