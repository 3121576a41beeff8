"""Laws of draws and choices in a session, on a tiny GPT-2 that really computes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from handler.wheel.errors import (
    NothingChosenError,
    NothingInOtherError,
    NotOneTokenError,
)
from handler.wheel.session import Session, WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from model_layer.errors import TokenIdOutOfRangeError
from model_layer.language_model import LanguageModel
from tests.tiny_sessions import PROMPT, SAME, Clock, OneModel, open_tiny, spins, started


def test_the_same_seed_replays_the_same_tokens_on_a_new_process_worth_of_objects(
    wheel: TokenWheel, session: Session, tmp_path: Path, clock: Clock
) -> None:
    """A newly loaded model in a new TokenWheel spins the same session again, token by token."""
    other = TokenWheel(OneModel(open_tiny(tmp_path / "again")), clock=clock)
    first = [change.turn for change in spins(wheel, session, 12)]
    again = [change.turn for change in spins(other, started(other), 12)]
    assert first == again
    assert len({turn.token_id for turn in first if turn}) > 3


def test_a_seeded_draw_is_the_documented_formula(wheel: TokenWheel, session: Session) -> None:
    """The u of turn n is the first 53 bits of SHA-256("{seed}:{n}") over 2^53, and the pointer stops at 360 u."""
    for n, change in enumerate(spins(wheel, session, 5, seed="replay me")):
        bits = int(hashlib.sha256(f"replay me:{n}".encode()).hexdigest(), 16) >> (256 - 53)
        assert change.turn is not None
        assert change.turn.draw is not None
        assert change.turn.draw.u == bits / 2**53
        assert change.turn.draw.target_angle == 360 * change.turn.draw.u
        assert change.turn.draw.seed == "replay me"


def test_without_a_seed_the_uniform_that_is_passed_in_decides(model: LanguageModel, clock: Clock) -> None:
    """Every spin takes one number of it, and records it."""
    numbers = iter([0.25, 0.75])
    wheel = TokenWheel(OneModel(model), clock=clock, uniform=lambda: next(numbers))
    first = wheel.spin(started(wheel), SAME)
    second = wheel.spin(first.after, SAME)
    assert [change.outcome.turn.draw.u for change in (first, second) if change.outcome.turn.draw] == [0.25, 0.75]
    assert next(numbers, None) is None


def test_what_is_shown_is_what_is_recorded(wheel: TokenWheel, session: Session) -> None:
    """Looked at with T = 2, spun without settings: recorded probability, rank and slice are the shown wheel's, at T = 2."""
    looked = wheel.look(session, SettingsChange(temperature=2, threshold=0.03))
    spun = wheel.spin(looked.after, SAME, "s")
    turn, shown = spun.outcome.turn, looked.outcome.wheel
    share = shown.share_of(turn.token_id)
    assert turn.settings.temperature == 2
    assert (turn.probability, turn.model_probability, turn.rank) == (share.probability, share.model_probability, share.rank)
    assert turn.probability != turn.model_probability
    assert turn.draw is not None
    assert shown.at(turn.draw.u).slice_index == turn.draw.slice_index
    assert spun.outcome.share == share
    assert spun.outcome.other == shown.other


def test_a_spin_shows_the_wheel_that_a_look_then_shows(wheel: TokenWheel, session: Session) -> None:
    """The next wheel in a spin's answer is the one of the session after it, with the settings of the spin."""
    spun = wheel.spin(session, SettingsChange(temperature=3, top_k=50), "s")
    looked = wheel.look(spun.after, SettingsChange(temperature=3, top_k=50))
    assert spun.outcome.wheel is not None
    assert spun.outcome.wheel.slices == looked.outcome.wheel.slices
    assert spun.outcome.wheel.settings == looked.outcome.wheel.settings == spun.after.settings
    assert spun.after.settings.temperature == 3


def test_a_look_changes_settings_but_neither_tokens_nor_version(wheel: TokenWheel, session: Session) -> None:
    """Looking twice is looking once."""
    change = SettingsChange(threshold=0.2)
    looked = wheel.look(session, change).after
    assert looked == replace(session, settings=replace(session.settings, threshold=0.2), looks=1)
    assert wheel.look(looked, change).after == looked


def test_what_a_look_leaves_out_is_as_the_session_began(wheel: TokenWheel) -> None:
    """Not as it was last shown, by a look or by a spin; a spin takes what the look showed, and a fork looks as its source."""
    session = started(wheel, settings=SettingsChange(temperature=2))
    spun = wheel.spin(session, SettingsChange(threshold=0.2, temperature=3), "s").after
    for one in (spun, wheel.look(spun, SettingsChange(top_k=7)).after, wheel.fork(spun).after):
        looked = wheel.look(one, SettingsChange(min_p=0.1)).after
        assert looked.settings == WheelSettings(temperature=2, min_p=0.1)
        assert wheel.spin(looked, SAME, "s").outcome.turn.settings == looked.settings


def test_every_change_of_tokens_raises_the_version_by_one(wheel: TokenWheel, session: Session) -> None:
    """Spin, choose, undo and a new prompt count; each turn's index is its place."""
    spun = wheel.spin(session, SAME, "s")
    chosen = wheel.choose(spun.after, token_id=3, settings_change=SAME)
    undone = wheel.undo(chosen.after)
    prompted = wheel.set_prompt(undone.after, "The fox")
    assert [change.after.version for change in (spun, chosen, undone, prompted)] == [1, 2, 3, 4]
    assert (spun.outcome.turn.index, chosen.outcome.turn.index) == (0, 1)


def test_a_chosen_token_has_no_draw(wheel: TokenWheel, session: Session) -> None:
    """It is recorded with the shown wheel's numbers, and as chosen even when it comes from Other."""
    shown = wheel.look(session, SAME).outcome.wheel
    rare = shown.other.sample_tokens[0].token_id
    turn = wheel.choose(session, token_id=rare, settings_change=SAME).outcome.turn
    assert (turn.draw, turn.category, turn.sampled_from_other) == (None, "other", False)
    assert turn.probability == shown.share_of(rare).probability


def test_a_token_can_be_chosen_by_its_text(wheel: TokenWheel, model: LanguageModel, session: Session) -> None:
    """A text that is exactly one token is that token; another is refused with the number of tokens it is."""
    token_id = model.encode(" the")[0]
    chosen = wheel.choose(session, token_text=" the", settings_change=SAME)
    assert chosen.outcome.turn.token_id == token_id
    assert chosen.outcome.text == PROMPT + " the"
    for text, tokens in [("", 0), ("é", 2)]:
        with pytest.raises(NotOneTokenError, match=f"it is {tokens}"):
            wheel.choose(session, token_text=text, settings_change=SAME)


def test_choosing_needs_exactly_one_of_three(wheel: TokenWheel, session: Session) -> None:
    """Nothing, two things, and a category other than "other" are refused."""
    for token_id, token_text, category in [
        (None, None, None),
        (1, "a", None),
        (1, None, "other"),
        (None, None, "above_threshold"),
    ]:
        with pytest.raises(NothingChosenError):
            wheel.choose(session, token_id=token_id, token_text=token_text, category=category, settings_change=SAME)


def test_token_zero_can_be_chosen_and_an_id_outside_cannot(wheel: TokenWheel, model: LanguageModel, session: Session) -> None:
    """Ids go from 0 to the vocabulary's end."""
    assert wheel.choose(session, token_id=0, settings_change=SAME).outcome.turn.token_id == 0
    for token_id in (-1, model.vocab_size, 10**25):
        with pytest.raises(TokenIdOutOfRangeError):
            wheel.choose(session, token_id=token_id, settings_change=SAME)


def test_other_is_drawn_from_other_only(wheel: TokenWheel, session: Session) -> None:
    """Whatever the seed, category other gives a tail token of the shown wheel, drawn within Other's arc."""
    shown = wheel.look(session, SettingsChange(threshold=0.05))
    for seed in map(str, range(40)):
        turn = wheel.choose(shown.after, category="other", settings_change=SAME, seed=seed).outcome.turn
        wheel_shown = shown.outcome.wheel
        assert turn.category == wheel_shown.category_of(wheel_shown.share_of(turn.token_id).rank) == "other"
        assert turn.sampled_from_other
        assert turn.draw is not None
        assert turn.draw.target_angle >= shown.outcome.wheel.slices[-1].start_angle
    with pytest.raises(NothingInOtherError):
        wheel.choose(session, category="other", settings_change=SettingsChange(top_k=1))


def test_a_chosen_token_of_probability_zero_is_recorded_as_that(wheel: TokenWheel, session: Session) -> None:
    """Filters forbid drawing a token, not choosing it: probability 0, no logarithm, the model's own probability beside."""
    share = wheel.look(session, SAME).outcome.wheel.other.sample_tokens[0]
    chosen = wheel.choose(session, token_id=share.token_id, settings_change=SettingsChange(top_k=1)).outcome
    assert (chosen.turn.probability, chosen.share.log_probability) == (0, None)
    assert chosen.turn.model_probability == share.probability


@pytest.mark.parametrize("character", ["é", "\N{GRINNING FACE}"])
def test_a_character_of_many_tokens_survives(wheel: TokenWheel, model: LanguageModel, session: Session, character: str) -> None:
    """Appended byte by byte and undone again, the text is the decoding of all ids; a lone part shows as an escape."""
    token_ids = model.encode(character)
    assert len(token_ids) == len(character.encode())
    texts, current = [], session
    for token_id, byte in zip(token_ids, character.encode(), strict=True):
        change = wheel.choose(current, token_id=token_id, settings_change=SAME)
        assert change.outcome.share.token_text == f"\\x{byte:02x}"
        texts.append(change.outcome.text)
        current = change.after
    assert texts[-1] == PROMPT + character
    assert "\N{REPLACEMENT CHARACTER}" in texts[0]
    undone = wheel.undo(current)
    assert (undone.outcome.previous_text, undone.outcome.text) == (texts[-1], texts[-2])
    assert wheel.choose(undone.after, token_id=token_ids[-1], settings_change=SAME).outcome.text == texts[-1]
