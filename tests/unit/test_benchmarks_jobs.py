"""The requests of the benchmark are mixed and always the same, and a job that answers them otherwise has no figure."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import benchmarks.jobs
from benchmarks.figures import Figures
from benchmarks.job_mix import EVERY_WHEEL, REQUESTS, job_mix
from benchmarks.jobs import ALONE, AT_ONCE, ONE_BY_ONE, PLANS, QUICK, THREADS, Plan, measure_model
from benchmarks.workers import jobs
from benchmarks.workers.jobs import DifferentAnswersError, Jobs, answered, check_same, shares, tokens
from handler.jobs.answering import Answer
from handler.jobs.completion import Completion
from handler.wheel.distribution import TokenShare
from model_layer.language_model import LanguageModel
from tests.tiny_models import make_tiny_model

FEW = 14  # three wheels, a pair among the completions


@pytest.fixture(scope="module")
def answers(model: LanguageModel) -> dict[int, Answer]:
    """Those of the first requests, four at once."""
    return answered(model, job_mix(model)[:FEW], 4)


def made_of(model: LanguageModel, *tokens: TokenShare) -> Answer:
    """One completion of these tokens."""
    completion = Completion(model, job_mix(model)[1], "any seed")
    completion.tokens = list(tokens)
    return Answer(completions=[completion])


def test_the_mix_is_mixed_and_always_the_same(model: LanguageModel) -> None:
    """A quarter are wheels; prompts are all different, and so are many lengths and settings."""
    mix = job_mix(model)
    assert mix == job_mix(model)
    assert len(mix) == REQUESTS
    assert sum(not request.seeds for request in mix) == REQUESTS / EVERY_WHEEL
    assert len({request.token_ids for request in mix}) == REQUESTS
    assert len({request.max_new_tokens for request in mix}) > 10
    assert len({len(request.token_ids) for request in mix}) > 10
    assert {len(request.seeds) for request in mix} == {0, 1, 2}
    assert len({request.settings for request in mix}) == 5


def test_one_by_one_and_at_once_answer_the_same(model: LanguageModel, answers: dict[int, Answer]) -> None:
    """The requests keep their numbers in both ways, and the check lets equal answers pass."""
    alone = answered(model, job_mix(model)[:FEW], ONE_BY_ONE)
    assert alone.keys() == answers.keys() == set(range(FEW))
    for number in alone:
        check_same(number, alone[number], answers[number])


def test_other_tokens_other_probabilities_and_failures_are_noticed(model: LanguageModel, answers: dict[int, Answer]) -> None:
    """Rounding is not: a change of 1e-6 passes."""
    first, *rest = max((shares(answer) for answer in answers.values() if answer.wheel is None), key=len)
    answer = made_of(model, first, *rest)
    check_same(0, answer, made_of(model, replace(first, probability=first.probability * (1 + 1e-6)), *rest))
    others = (
        made_of(model, replace(first, token_id=first.token_id + 1), *rest),
        made_of(model, replace(first, probability=first.probability * (1 + 1e-3)), *rest),
        made_of(model, first, *rest[:-1]),
        Answer(error=ValueError("any")),
    )
    for other in others:
        with pytest.raises(DifferentAnswersError):
            check_same(0, answer, other)


def test_a_wheel_of_other_slices_is_noticed(answers: dict[int, Answer]) -> None:
    """Two requests for wheels have different ones."""
    wheels = [answer for answer in answers.values() if answer.wheel is not None]
    assert all(tokens(wheel) == 1 for wheel in wheels)
    with pytest.raises(DifferentAnswersError):
        check_same(0, wheels[0], wheels[1])


def test_a_job_is_timed_only_if_it_answers_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways count the same tokens; a request that then gets its neighbour's answer ends the measurement."""
    monkeypatch.setattr(jobs, "use_threads", lambda _: None)  # the threads of this process are not the test's
    worker = Jobs()
    worker.answer({"op": "load", "folder": str(make_tiny_model(tmp_path / "tiny")), "threads": 1})
    rates = [worker.answer({"op": "job", "requests": FEW, "at_once": at_once}) for at_once in (ONE_BY_ONE, 4)]
    requests_to_tokens = [tokens_s / requests_s for requests_s, tokens_s in rates]
    assert requests_to_tokens[0] == pytest.approx(requests_to_tokens[1])
    assert requests_to_tokens[0] > 1

    def shifted(*asked: Any) -> dict[int, Answer]:
        answers = answered(*asked)
        return {number: answers[(number + 1) % FEW] for number in answers}

    monkeypatch.setattr(jobs, "answered", shifted)
    with pytest.raises(DifferentAnswersError):
        worker.answer({"op": "job", "requests": FEW, "at_once": 4})


class CountingProcess:
    """Answers every job with its number, counted from 1, as requests per second, and ten times that as tokens."""

    asked: list[dict[str, Any]]

    def __init__(self, *_: Any, threads: int) -> None:
        assert threads == THREADS
        self.numbers = itertools.count(0)  # 0 warms
        type(self).asked = []

    def load(self) -> None:
        """Nothing to open."""

    def ask(self, **request: Any) -> list[float]:
        """Keep the request."""
        self.asked.append(request)
        number = next(self.numbers)
        return [number, 10 * number]

    def __enter__(self) -> "CountingProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_the_ways_take_turns_and_each_has_its_median(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warming job is not in it; what runs alone is asked once."""
    monkeypatch.setattr(benchmarks.jobs, "EngineProcess", CountingProcess)
    figures = Figures()
    measure_model(figures, "ours", Path(), Plan(FEW, rounds=3))
    assert [request["at_once"] for request in CountingProcess.asked[1:]] == [ALONE, *[ONE_BY_ONE, *AT_ONCE] * 3]
    medians = {ALONE: 1, **{size: 7 + place for place, size in enumerate((ONE_BY_ONE, *AT_ONCE))}}
    for size, median in medians.items():
        assert figures.value("job_requests_s", "ours", size=size, threads=THREADS) == median
        assert figures.value("job_tokens_s", "ours", size=size, threads=THREADS) == 10 * median
    assert len(figures.records) == 2 * len(medians)


def test_a_quick_run_asks_for_less() -> None:
    """Fewer requests and fewer jobs, of which the target's two are some."""
    for plan in PLANS.values():
        assert QUICK.requests < plan.requests <= REQUESTS
        assert len(QUICK.sizes()) < len(plan.sizes())
    assert {ONE_BY_ONE, 32} <= set(QUICK.sizes())
