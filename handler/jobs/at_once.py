"""A small batch that is answered at once, without a job."""

from collections.abc import Callable, Sequence

from handler.api.contracts.precision import PrecisionBody
from handler.jobs.answering import answer_all
from handler.jobs.reading import seed_of
from handler.jobs.request import JobRequest, checked
from handler.jobs.result import RequestResult
from handler.settings import Settings
from handler.wheel.errors import OutOfTimeError, RefusedRequestError, WheelError
from model_layer.errors import ModelLayerError
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
    wanted = {}
    for index, request in enumerate(requests):
        try:
            wanted[index] = checked(request, model, seed=seed_of(seed, index), limits=limits)
        except (WheelError, ModelLayerError) as error:
            raise RefusedRequestError(index=index, reason=error) from error
    results = {index: RequestResult.failed(index, OutOfTimeError()) for index in wanted}
    for answers in answer_all(model, wanted):
        for index, answer in answers:
            results[index] = RequestResult.of(index, wanted[index], answer, precision)
        if not going_on():
            break
    return [results[index] for index in sorted(results)]
