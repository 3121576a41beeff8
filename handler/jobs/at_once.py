"""A small batch that is answered at once, without a job."""

from collections.abc import Callable, Sequence

from handler.api.contracts.precision import PrecisionBody
from handler.jobs.answering import answer_all
from handler.jobs.reading import all_checked
from handler.jobs.request import JobRequest
from handler.jobs.result import RequestResult
from handler.settings import Settings
from handler.wheel.errors import OutOfTimeError
from model_layer.language_model import LanguageModel


def answer_at_once(
    model: LanguageModel,
    requests: Sequence[JobRequest],
    *,
    seed: str,
    precision: PrecisionBody,
    limits: Settings,
    going_on: Callable[[], bool],
) -> list[RequestResult]:
    """One result for each request, in order; those that `going_on` left no time for say so. Raises RefusedRequestError."""
    wanted = all_checked(requests, model, seed=seed, limits=limits)
    results = {index: RequestResult.failed(index, OutOfTimeError()) for index in wanted}
    for answers in answer_all(model, wanted):
        for index, answer in answers:
            results[index] = RequestResult.of(index, wanted[index], answer, precision)
        if not going_on():
            break
    return [results[index] for index in sorted(results)]
