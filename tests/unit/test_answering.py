"""Laws of answers: what a request gets depends on nothing but the request."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handler.jobs.answering import Answer, answer_all
from handler.jobs.request import CheckedRequest, JobRequest, checked
from handler.settings import Settings
from handler.wheel.session import WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from handler.wheel.wheel import make_wheel
from model_layer.language_model import LanguageModel
from tests.tiny_sessions import spins, started

PROMPTS = ("Once upon a time there was a", "The fox", "I see the sea, said the raven, and a ship", "In the morning")

warpings = st.builds(
    WheelSettings,
    temperature=st.sampled_from([0.3, 1.0, 2.0]),
    top_k=st.sampled_from([0, 5]),
    top_p=st.sampled_from([1.0, 0.8]),
)
wanted = st.lists(
    st.tuples(st.sampled_from(PROMPTS), warpings, st.integers(0, 10), st.integers(1, 3), st.integers(0, 3)),
    min_size=1,
    max_size=10,
)


def request(model: LanguageModel, prompt: str, warping: WheelSettings, new: int, n: int, seed: int) -> CheckedRequest:
    """A request for a wheel when `new` is 0, else for n completions."""
    seeds = tuple(f"{seed}#{number}" if number else str(seed) for number in range(n if new else 0))
    return CheckedRequest(prompt, tuple(model.encode(prompt)), warping, new, seeds)


def all_answers(model: LanguageModel, requests: Mapping[int, CheckedRequest], **options: int) -> dict[int, Answer]:
    """Every answer by its key, each once."""
    pairs = [pair for answers in answer_all(model, requests, **options) for pair in answers]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def told(answer: Answer) -> object:
    """All that an answer tells, to the last bit."""
    assert answer.error is None
    wheel = answer.wheel
    completions = [(one.seed, one.text, one.finish_reason, one.tokens) for one in answer.completions]
    return (wheel.slices, wheel.other, wheel.entropy) if wheel is not None else completions


@settings(max_examples=30)
@given(wanted=wanted, at_once=st.sampled_from([1, 3, 32]))
def test_together_is_each_alone(
    model: LanguageModel, wanted: list[tuple[str, WheelSettings, int, int, int]], at_once: int
) -> None:
    """Wheels and completions have the same bits and the same tokens as those of a batch of one."""
    requests = {number: request(model, *fields) for number, fields in enumerate(wanted)}
    together = all_answers(model, requests, at_once=at_once)
    assert together.keys() == requests.keys()
    for number, one in requests.items():
        assert told(together[number]) == told(all_answers(model, {number: one})[number])


def test_a_completion_is_a_session_spun_with_its_seed(model: LanguageModel, wheel: TokenWheel) -> None:
    """Token by token the same draw, probability, rank and model probability."""
    change = SettingsChange(temperature=1.4, top_k=50)
    session = started(wheel, settings=change)
    turns = [spun.turn for spun in spins(wheel, session, 12, seed="class 7b")]
    body = JobRequest.model_validate(
        {"prompt": "Once upon a time there was a", "settings": {"temperature": 1.4, "top_k": 50}, "max_new_tokens": 12}
    )
    one = checked(body, model, seed="class 7b", limits=Settings())
    (completion,) = all_answers(model, {0: one})[0].completions
    drawn = [(share.token_id, share.probability, share.rank, share.model_probability) for share in completion.tokens]
    assert drawn == [(turn.token_id, turn.probability, turn.rank, turn.model_probability) for turn in turns if turn]


def test_the_first_of_many_completions_is_the_only_one_of_one(model: LanguageModel) -> None:
    """More completions leave the first ones as they are, and no two of one request share a seed."""
    bodies = [JobRequest(prompt=PROMPTS[0], max_new_tokens=8, seed="s", n=n) for n in (2, 5)]
    few, many = (checked(body, model, seed="unused", limits=Settings()) for body in bodies)
    answers = all_answers(model, {0: few, 1: many})
    assert told(answers[0]) == told(answers[1])[:2]  # type: ignore[index] # a list
    assert len(set(many.seeds)) == 5


def test_a_wheel_is_the_models_wheel(model: LanguageModel) -> None:
    """It has the bits that a session shows."""
    one = request(model, PROMPTS[0], WheelSettings(), 0, 1, 0)
    shown = make_wheel(model.next_logits(one.token_ids), one.settings, model.token_bytes)
    assert told(all_answers(model, {0: one})[0]) == (shown.slices, shown.other, shown.entropy)


def test_texts_end_at_the_context_window_and_at_the_end_of_text(model: LanguageModel) -> None:
    """A text goes no further than the window; what fills it from the start has no token; an end of text is the last token."""
    full = CheckedRequest("", (5,) * model.context_window, WheelSettings(), 9, ("s",))
    nearly = CheckedRequest("", (5,) * (model.context_window - 2), WheelSettings(), 9, ("s",))
    many = {number: request(model, PROMPTS[0], WheelSettings(temperature=50.0), 50, 16, number) for number in range(8)}
    answers = all_answers(model, {100: full, 101: nearly, **many})
    assert [(one.finish_reason, len(one.tokens)) for one in answers[100].completions] == [("context_window", 0)]
    assert [(one.finish_reason, len(one.tokens)) for one in answers[101].completions] == [("context_window", 2)]
    ended = [one for number in many for one in answers[number].completions if one.finish_reason == "end_of_text"]
    assert ended, "at this temperature one of 128 texts ends early"
    for one in ended:
        ids = [share.token_id for share in one.tokens]
        assert ids.index(model.end_of_text_id) == len(ids) - 1
        assert one.text == model.decode(ids[:-1])


@pytest.mark.parametrize("position", range(5))
def test_one_failing_text_fails_alone(model: LanguageModel, monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """Logits that are no numbers, for one prompt, cost that request its answer and no other."""
    requests = {number: request(model, PROMPTS[number % 4], WheelSettings(), 6, 1, number) for number in range(5)}
    requests[position] = CheckedRequest("", (42, 42, position), WheelSettings(), 6, ("s",))
    whole = all_answers(model, {number: one for number, one in requests.items() if number != position})
    head = model.logits

    def spoiled(hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = head(hidden).copy()
        rows[[poisoned_row(row) for row in hidden]] = np.nan
        return rows

    poison = model.hidden_states((42, 42, position))[-1]

    def poisoned_row(row: NDArray[np.float32]) -> bool:
        return bool(np.array_equal(row, poison))

    monkeypatch.setattr(model, "logits", spoiled)
    answers = all_answers(model, requests)
    assert isinstance(answers.pop(position).error, ValueError)
    assert {number: told(answer) for number, answer in answers.items()} == {n: told(answer) for n, answer in whole.items()}


@pytest.mark.parametrize("position", range(5))
def test_one_that_breaks_the_pass_fails_alone(model: LanguageModel, monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """When a whole forward pass fails because of one request, the others are answered as ever."""
    requests = {number: request(model, PROMPTS[number % 4], WheelSettings(), number, 2, number) for number in range(5)}
    whole = {number: told(answer) for number, answer in all_answers(model, requests).items()}
    requests[position] = CheckedRequest("", (42, 42, 42), WheelSettings(), position + 1, ("s",))
    advance = model.advance

    def breaking(batch: list[object]) -> object:
        if any(tuple(one.new_ids) == (42, 42, 42) for one in batch):  # type: ignore[attr-defined] # continuations
            raise MemoryError
        return advance(batch)  # type: ignore[arg-type] # the same

    monkeypatch.setattr(model, "advance", breaking)
    answers = all_answers(model, requests)
    assert isinstance(answers.pop(position).error, MemoryError)
    del whole[position]
    assert {number: told(answer) for number, answer in answers.items()} == whole
