"""The jobs of this project: `{"op": "load", ...}` as every engine, then `{"op": "job", "requests": N, "at_once": K}`.

A job is the first N requests of `benchmarks.job_mix`; K = 0 answers them one by one, each in a call of its own.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.job_mix import job_mix
from benchmarks.workers import protocol
from handler.jobs.answering import Answer, answer_all
from handler.jobs.request import CheckedRequest
from handler.wheel.distribution import TokenShare
from model_layer.language_model import LanguageModel
from model_layer.threads import use_threads

TOLERANCE = 1e-4  # of a log-probability


class DifferentAnswersError(Exception):
    """Raise when a request is answered otherwise than before: its time is worth nothing."""


class Jobs:
    """Answers jobs with one model. What a request was first answered is what it has to be answered ever after."""

    def __init__(self) -> None:
        self._first: dict[int, Answer] = {}

    def answer(self, request: dict[str, Any]) -> list[float]:
        """The values that a request asks for."""
        operation = request.pop("op")
        answers: dict[str, Callable[..., list[float]]] = {"load": self.load, "job": self.job}
        return answers[operation](**request)

    def load(self, folder: str, threads: int) -> list[float]:
        """Open the model and read the requests: the milliseconds of it."""
        return [protocol.timed_ms(lambda: self._open(folder, threads))]

    def job(self, requests: int, at_once: int) -> list[float]:
        """Requests per second and tokens per second of one job; a wheel counts as one token. Raises DifferentAnswersError."""
        asked = self._requests[:requests]
        started = time.perf_counter()
        answers = answered(self._model, asked, at_once)
        elapsed_s = time.perf_counter() - started
        for number, answer in answers.items():
            check_same(number, self._first.setdefault(number, answer), answer)
        return [len(asked) / elapsed_s, sum(map(tokens, answers.values())) / elapsed_s]

    def _open(self, folder: str, threads: int) -> None:
        self._model = LanguageModel.open(Path(folder))
        use_threads(threads)
        self._requests = job_mix(self._model)


def answered(model: LanguageModel, requests: Sequence[CheckedRequest], at_once: int) -> dict[int, Answer]:
    """The answers by the requests' numbers."""
    numbered = dict(enumerate(requests))
    calls = [numbered] if at_once else [{number: request} for number, request in numbered.items()]
    return dict(pair for call in calls for pairs in answer_all(model, call, at_once=at_once or None) for pair in pairs)


def check_same(number: int, first: Answer, second: Answer) -> None:
    """Raise DifferentAnswersError unless both have the same tokens with the same probabilities."""
    for error in (first.error, second.error):
        if error is not None:
            raise DifferentAnswersError(f"request {number} failed") from error
    pairs = zip(shares(first), shares(second), strict=False)
    same = all(one.token_id == other.token_id and _close(one, other) for one, other in pairs)
    if not same or len(shares(first)) != len(shares(second)):
        raise DifferentAnswersError(f"request {number} has another answer")


def shares(answer: Answer) -> list[TokenShare]:
    """The tokens of all completions, or those that a wheel has slices for."""
    if answer.wheel is None:
        return [share for completion in answer.completions for share in completion.tokens]
    return [part.token for part in answer.wheel.slices if part.token is not None]


def tokens(answer: Answer) -> int:
    """How many distributions were computed for it to read."""
    return 1 if answer.wheel is not None else len(shares(answer))


def _close(one: TokenShare, other: TokenShare) -> bool:
    return math.isclose(one.probability, other.probability, rel_tol=TOLERANCE)


if __name__ == "__main__":
    protocol.serve(Jobs)
