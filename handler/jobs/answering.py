"""From checked requests to their answers, in few forward passes. What a request gets does not depend on its neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from handler.jobs.completion import Completion
from handler.jobs.request import CheckedRequest
from handler.wheel.wheel import Wheel, make_wheel
from model_layer.continuous_batch import ContinuousBatch, Reader
from model_layer.language_model import LanguageModel

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request asked for: a wheel, or completions. Or the error that kept it from it."""

    wheel: Wheel | None = None
    completions: Sequence[Completion] = ()
    error: Exception | None = None


def answer_all(
    model: LanguageModel, requests: Mapping[K, CheckedRequest], *, at_once: int | None = None
) -> Iterator[list[tuple[K, Answer]]]:
    """After each forward pass the answers that it completed, by the requests' keys. Whoever stops taking stops the work.

    When a pass fails, one of its requests may be to blame: those without an answer are run again, each alone.
    """
    left = dict(requests)
    try:
        for answers in _together(model, left, at_once):
            for key, _ in answers:
                del left[key]
            yield answers
    except Exception:  # noqa: BLE001 - whatever it is, it must not take the neighbours down; alone it is named
        for key, request in left.items():
            yield from _alone(model, key, request)


def _alone(model: LanguageModel, key: K, request: CheckedRequest) -> Iterator[list[tuple[K, Answer]]]:
    try:
        yield from _together(model, {key: request}, None)
    except Exception as error:  # noqa: BLE001 - told to whoever asked, as this request's failure
        yield [(key, Answer(error=error))]


def _together(
    model: LanguageModel, requests: Mapping[K, CheckedRequest], at_once: int | None
) -> Iterator[list[tuple[K, Answer]]]:
    """Wheels first, which one pass completes, then the longest, so that no long one is left alone; equal prompts are run once."""
    batch = ContinuousBatch(model) if at_once is None else ContinuousBatch(model, texts_at_once=at_once)
    waiting = {key: _Answering(model, request) for key, request in requests.items()}
    ordered = sorted(waiting.values(), key=_kind_length_and_prompt)
    for (_, _, token_ids), same in groupby(ordered, key=_kind_length_and_prompt):
        group = list(same)
        if readers := [reader for one in group for reader in one.readers]:
            batch.add(token_ids, readers, longest=group[0].longest)
    while True:
        ended = [(key, one.answer) for key, one in waiting.items() if one.has_ended]
        for key, _ in ended:
            del waiting[key]
        yield ended
        if batch.is_empty:
            return
        batch.step()


def _kind_length_and_prompt(one: "_Answering") -> tuple[bool, int, tuple[int, ...]]:
    return bool(one.request.seeds), -one.longest, one.request.token_ids


class _Answering:
    """A request under way."""

    def __init__(self, model: LanguageModel, request: CheckedRequest) -> None:
        self.request = request
        self._model = model
        self._completions = [Completion(model, request, seed) for seed in request.seeds]
        self._wheel: Wheel | None = None
        wanted = [one for one in self._completions if one.finish_reason is None] if request.seeds else [self._make_wheel]
        self.readers = [_Reading(read) for read in wanted]

    @property
    def longest(self) -> int:
        """Tokens of prompt and text that the model may have to run. The last one drawn is not."""
        new = max(self.request.max_new_tokens - 1, 0)
        return min(len(self.request.token_ids) + new, self._model.context_window)

    @property
    def has_ended(self) -> bool:
        return all(reader.has_ended for reader in self.readers)

    @property
    def answer(self) -> Answer:
        errors = [reader.error for reader in self.readers if reader.error is not None]
        return Answer(error=errors[0]) if errors else Answer(self._wheel, self._completions)

    def _make_wheel(self, logits: NDArray[np.float32]) -> None:
        self._wheel = make_wheel(logits, self.request.settings, self._model.token_bytes)


class _Reading:
    """A reader whose error ends it alone."""

    def __init__(self, read: Reader) -> None:
        self.has_ended = False
        self.error: Exception | None = None
        self._read = read

    def __call__(self, logits: NDArray[np.float32]) -> int | None:
        try:
            token_id = self._read(logits)
        except Exception as error:  # noqa: BLE001 - told with this reader's request
            self.error, token_id = error, None
        self.has_ended = token_id is None
        return token_id
