"""Laws of a session's course: undo, fork, finish, new prompts, expiry; on a tiny GPT-2 that really computes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from handler.wheel.errors import (
    BlankPromptError,
    NothingToUndoError,
    PromptMissingError,
    SessionFinishedError,
    SettingOutOfRangeError,
)
from handler.wheel.session import Session, WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from model_layer.errors import ContextWindowExceededError, ModelNotFoundError, ModelNotLoadableError
from model_layer.language_model import LanguageModel
from tests.tiny_sessions import NOON, PROMPT, SAME, Clock, OneModel, spins, started, with_tokens


def test_undo_goes_down_to_the_prompt(wheel: TokenWheel, session: Session) -> None:
    """Every undo takes the last token, until the prompt is left; then there is nothing to undo."""
    *_, last = spins(wheel, session, 3)
    current = last.after
    for removed in reversed(last.after.generated_token_ids):
        change = wheel.undo(current)
        assert change.outcome.before.generated_token_ids[-1] == removed
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
    remembered = replace(session, settings=WheelSettings(top_k=50_000), starting_settings=WheelSettings(top_k=50_000))
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


def test_a_read_just_after_an_access_leaves_the_session_as_it_is(model: LanguageModel, clock: Clock) -> None:
    """Within a sixtieth of the idle time a look and a read tell the times that are kept, after it new ones; a write always."""
    wheel = TokenWheel(OneModel(model), clock=clock, idle_ttl_s=600)
    session = started(wheel)
    clock.now = NOON + timedelta(seconds=10)
    assert wheel.seen(session) == wheel.look(session, SAME).after == session
    assert wheel.spin(session, SAME, "s").after.last_accessed == clock.now
    clock.now = NOON + timedelta(seconds=11)
    assert wheel.seen(session) == wheel.look(session, SAME).after == wheel.touched(session) != session


def test_a_session_whose_model_is_gone_is_the_servers_trouble(wheel: TokenWheel, session: Session) -> None:
    """The student named no model in this request: it is not loadable, rather than not found."""
    orphan = replace(session, model_name="gone")
    for ask in (lambda: wheel.look(orphan, SAME), lambda: wheel.spin(orphan, SAME), lambda: wheel.text(orphan)):
        with pytest.raises(ModelNotLoadableError, match="gone"):
            ask()


def test_a_look_and_a_spin_cost_one_step_together(wheel: TokenWheel, model: LanguageModel) -> None:
    """The wheel that was shown is not computed again to spin it."""
    session = started(wheel, "The raven sang")
    wheel.look(session, SAME)
    before = model.forward_passes
    spun = wheel.spin(session, SAME, "s").after
    wheel.look(spun, SAME)
    wheel.look(wheel.undo(spun).after, SAME)
    assert model.forward_passes == before + 1
