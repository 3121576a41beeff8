"""A session's turns as answers show them."""

from handler.api.contracts.turns import TurnBody
from handler.wheel.outcomes import Appended, Undone
from handler.wheel.session import Session, Turn
from handler.wiring import Application

SHOWN_TURNS = 200  # of a long session in every answer; the rest is read in pages


def turns_with_appended(application: Application, appended: Appended) -> list[Turn]:
    """The last turns, the one that is just being appended among them."""
    count = len(appended.session.generated_token_ids)
    earlier = application.ledger.turns(appended.session, start=max(0, count - SHOWN_TURNS), stop=count - 1)
    return [*earlier, appended.turn]


def turns_and_removed(application: Application, undone: Undone) -> tuple[list[Turn], Turn]:
    """The last turns that are left, and the one that is just being taken away."""
    start = max(0, len(undone.session.generated_token_ids) - SHOWN_TURNS)
    *left, removed = application.ledger.turns(undone.before, start=start)
    return left, removed


def turn_bodies(application: Application, session: Session, turns: list[Turn]) -> list[TurnBody]:
    """The wire form of a session's turns."""
    token_bytes = application.wheel.model_of(session).token_bytes
    return [TurnBody.of_turn(turn, token_bytes(turn.token_id)) for turn in turns]
