"""Laws of a session's transitions, on a tiny GPT-2 that really computes."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from handler.wheel.errors import (
    BlankPromptError,
    NothingChosenError,
    NothingInOtherError,
    NothingToUndoError,
    NotOneTokenError,
    PromptMissingError,
    SessionFinishedError,
    SettingOutOfRangeError,
)
from handler.wheel.outcomes import Appended, Change
from handler.wheel.session import Session, WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from model_layer.errors import ContextWindowExceededError, ModelNotFoundError, TokenIdOutOfRangeError
from model_layer.language_model import LanguageModel
from tests.tiny_sessions import NOON, Clock, OneModel, open_tiny

PROMPT = "Once upon a time there was a"
SAME = SettingsChange()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A tiny random model with a window of 64 tokens."""
    return open_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def clock() -> Clock:
    """Noon."""
    return Clock()


@pytest.fixture
def wheel(model: LanguageModel, clock: Clock) -> TokenWheel:
    """A wheel of sessions of at most 100 turns."""
    return TokenWheel(OneModel(model), clock=clock, max_turns=100)


@pytest.fixture
def session(wheel: TokenWheel) -> Session:
    """A session at its prompt."""
    return started(wheel)


def started(wheel: TokenWheel, prompt: str | None = PROMPT, settings: SettingsChange = SAME) -> Session:
    """A new session."""
    return wheel.start(model_name=None, prompt=prompt, settings=settings).after


def spins(wheel: TokenWheel, session: Session, count: int, seed: str = "class 7b") -> Iterator[Change[Appended]]:
    """That many seeded spins, one after the other."""
    for _ in range(count):
        change = wheel.spin(session, SAME, seed)
        yield change
        session = change.after


def with_tokens(session: Session, count: int, token_id: int = 5) -> Session:
    """The session with `count` tokens more."""
    return replace(session, generated_token_ids=session.generated_token_ids + (token_id,) * count)


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
    looked = wheel.look(spun.after, SAME)
    assert spun.outcome.wheel is not None
    assert spun.outcome.wheel.slices == looked.outcome.wheel.slices
    assert spun.outcome.wheel.settings == looked.outcome.wheel.settings == spun.after.settings
    assert spun.after.settings.temperature == 3


def test_a_look_changes_settings_but_neither_tokens_nor_version(wheel: TokenWheel, session: Session) -> None:
    """Looking twice is looking once."""
    looked = wheel.look(session, SettingsChange(threshold=0.2)).after
    assert looked == replace(session, settings=replace(session.settings, threshold=0.2))


def test_every_change_of_tokens_raises_the_version_by_one(wheel: TokenWheel, session: Session) -> None:
    """Spin, choose, undo and a new prompt count; each turn's index is its place."""
    spun = wheel.spin(session, SAME, "s")
    chosen = wheel.choose(spun.after, token_id=3, settings_change=SAME)
    undone = wheel.undo(chosen.after)
    prompted = wheel.set_prompt(undone.after, "The fox")
    assert [change.after.version for change in (spun, chosen, undone, prompted)] == [1, 2, 3, 4]
    assert (spun.outcome.turn.index, chosen.outcome.turn.index, undone.outcome.removed_index) == (0, 1, 1)


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
        assert turn.category == shown.outcome.wheel.category_of(turn.token_id) == "other"
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


def test_undo_goes_down_to_the_prompt(wheel: TokenWheel, session: Session) -> None:
    """Every undo takes the last token, until the prompt is left; then there is nothing to undo."""
    *_, last = spins(wheel, session, 3)
    current = last.after
    for removed in reversed(last.after.generated_token_ids):
        change = wheel.undo(current)
        assert change.outcome.removed_token_id == removed
        assert change.outcome.text == wheel.text(change.after)
        current = change.after
    assert wheel.text(current) == PROMPT
    with pytest.raises(NothingToUndoError):
        wheel.undo(current)


def test_undone_and_spun_again_with_the_same_seed_is_the_same_turn(wheel: TokenWheel, session: Session) -> None:
    """The draw belongs to the place of the turn, not to the number of tries."""
    spun = wheel.spin(session, SAME, "s")
    again = wheel.spin(wheel.undo(spun.after).after, SAME, "s")
    assert again.outcome.turn == spun.outcome.turn


def test_a_fork_starts_as_the_session_did_up_to_a_turn(wheel: TokenWheel, session: Session) -> None:
    """It has its own id and version 0, the first turns and the settings; by default all turns."""
    *_, last = spins(wheel, wheel.look(session, SettingsChange(temperature=2)).after, 4)
    for at_turn, kept in [(None, 4), (0, 0), (2, 2), (4, 4)]:
        forked = wheel.fork(last.after, at_turn=at_turn)
        assert forked.after.id != session.id
        assert forked.after.version == 0
        assert forked.after.generated_token_ids == last.after.generated_token_ids[:kept]
        assert (forked.after.settings, forked.after.prompt_token_ids) == (last.after.settings, session.prompt_token_ids)
        assert (forked.outcome.at_turn, forked.outcome.text) == (kept, wheel.text(forked.after))
    for at_turn in (-1, 5):
        with pytest.raises(SettingOutOfRangeError, match="at_turn must be from 0 to 4"):
            wheel.fork(last.after, at_turn=at_turn)


def test_end_of_text_finishes(wheel: TokenWheel, model: LanguageModel, session: Session) -> None:
    """After the end-of-text token nothing can be appended, but looked at and undone."""
    ended = wheel.choose(session, token_id=model.end_of_text_id, settings_change=SAME)
    assert (ended.outcome.finish_reason, ended.outcome.wheel) == ("end_of_text", None)
    with pytest.raises(SessionFinishedError, match="end_of_text"):
        wheel.spin(ended.after, SAME)
    with pytest.raises(SessionFinishedError, match="end_of_text"):
        wheel.choose(ended.after, token_id=1, settings_change=SAME)
    assert wheel.look(ended.after, SAME).outcome.finish_reason == "end_of_text"
    assert wheel.finish_reason(wheel.undo(ended.after).after) is None


def test_a_full_window_finishes(wheel: TokenWheel, model: LanguageModel, session: Session) -> None:
    """The token that fills the window is the last one, and the full session can still be looked at."""
    almost = with_tokens(session, model.context_window - len(session.token_ids) - 1)
    filled = wheel.spin(almost, SAME, "s")
    assert len(filled.after.token_ids) == model.context_window
    if filled.after.generated_token_ids[-1] != model.end_of_text_id:
        assert filled.outcome.finish_reason == "context_window"
    with pytest.raises(SessionFinishedError):
        wheel.spin(filled.after, SAME)
    assert wheel.look(filled.after, SAME).outcome.wheel.slices


def test_the_last_turn_finishes(model: LanguageModel, clock: Clock) -> None:
    """A session of at most two turns ends with its second."""
    wheel = TokenWheel(OneModel(model), clock=clock, max_turns=2)
    first = wheel.choose(started(wheel), token_id=5, settings_change=SAME)
    second = wheel.choose(first.after, token_id=5, settings_change=SAME)
    assert (first.outcome.finish_reason, second.outcome.finish_reason) == (None, "turn_limit")
    with pytest.raises(SessionFinishedError, match="turn_limit"):
        wheel.spin(second.after, SAME)


def test_a_prompt_over_the_window_names_the_window(wheel: TokenWheel, model: LanguageModel, session: Session) -> None:
    """As many tokens as the window holds are a finished session; one more is refused at start and at set_prompt."""
    fits = model.decode([5] * model.context_window)
    full = wheel.start(model_name=None, prompt=fits, settings=SAME).outcome
    assert (full.finish_reason, full.wheel) == ("context_window", None)
    too_long = "é" * model.context_window
    for ask in (lambda: started(wheel, too_long), lambda: wheel.set_prompt(session, too_long)):
        with pytest.raises(ContextWindowExceededError, match=f"context window of {model.context_window} tokens"):
            ask()


@pytest.mark.parametrize("blank", ["", " ", "\t\n\N{NO-BREAK SPACE}"])
def test_a_blank_prompt_is_refused(wheel: TokenWheel, session: Session, blank: str) -> None:
    """White space only, of any kind, is no prompt."""
    with pytest.raises(BlankPromptError):
        started(wheel, blank)
    with pytest.raises(BlankPromptError):
        wheel.set_prompt(session, blank)


def test_a_new_prompt_clears_the_turns(wheel: TokenWheel, session: Session) -> None:
    """Nothing is left of the old text, the settings stay."""
    spun = wheel.spin(session, SettingsChange(temperature=2), "s")
    prompted = wheel.set_prompt(spun.after, "The fox said")
    assert prompted.outcome.text == wheel.text(prompted.after) == "The fox said"
    assert prompted.after.generated_token_ids == ()
    assert prompted.outcome.token_count == len(prompted.after.token_ids)
    assert prompted.after.settings.temperature == 2


def test_without_a_prompt_there_is_no_wheel(wheel: TokenWheel) -> None:
    """A session may start without a prompt; looking, spinning and choosing need one."""
    change = wheel.start(model_name="tiny", prompt=None, settings=SettingsChange(temperature=2))
    assert (change.outcome.wheel, change.outcome.text, change.after.settings.temperature) == (None, "", 2)
    for ask in (
        lambda: wheel.look(change.after, SAME),
        lambda: wheel.spin(change.after, SAME),
        lambda: wheel.choose(change.after, token_id=1, settings_change=SAME),
    ):
        with pytest.raises(PromptMissingError):
            ask()


def test_a_session_starts_with_its_first_wheel(wheel: TokenWheel) -> None:
    """With a prompt the answer holds the wheel that a look shows; ids differ; an unknown model is refused."""
    change = wheel.start(model_name=None, prompt=PROMPT, settings=SettingsChange(threshold=0.1))
    assert change.outcome.wheel is not None
    assert change.outcome.wheel.slices == wheel.look(change.after, SAME).outcome.wheel.slices
    assert (change.after.model_name, change.after.version, change.outcome.text) == ("tiny", 0, PROMPT)
    assert len({started(wheel, None).id for _ in range(20)}) == 20
    with pytest.raises(ModelNotFoundError):
        wheel.start(model_name="gpt5", prompt=None, settings=SAME)


def test_settings_of_a_larger_vocabulary_stay_valid(wheel: TokenWheel, model: LanguageModel, session: Session) -> None:
    """A session that remembers a top_k beyond this model's vocabulary still looks and spins."""
    remembered = replace(session, settings=WheelSettings(top_k=50_000))
    assert wheel.look(remembered, SAME).after.settings.top_k == model.vocab_size
    assert wheel.spin(remembered, SAME, "s").outcome.turn.token_id == wheel.spin(session, SAME, "s").outcome.turn.token_id


def test_a_session_idles_out_and_ends_with_its_greatest_age(model: LanguageModel, clock: Clock) -> None:
    """Every access gives it the idle time again, but never beyond created_at + max_age."""
    wheel = TokenWheel(OneModel(model), clock=clock, idle_ttl_s=3_600, max_age_s=5_000)
    session = started(wheel)
    assert session.expires_at_epoch_s == int(NOON.timestamp()) + 3_600
    clock.now = NOON + timedelta(seconds=1_000)
    spun = wheel.spin(session, SAME, "s").after
    assert (spun.last_accessed, spun.expires_at_epoch_s) == (clock.now, int(clock.now.timestamp()) + 3_600)
    clock.now = NOON + timedelta(seconds=4_000)
    assert wheel.touched(spun).expires_at_epoch_s == int(NOON.timestamp()) + 5_000


def test_a_look_and_a_spin_cost_one_step_together(wheel: TokenWheel, model: LanguageModel) -> None:
    """The wheel that was shown is not computed again to spin it."""
    session = started(wheel, "The raven sang")
    wheel.look(session, SAME)
    before = model.forward_passes
    spun = wheel.spin(session, SAME, "s").after
    wheel.look(spun, SAME)
    wheel.look(wheel.undo(spun).after, SAME)
    assert model.forward_passes == before + 1
