"""From requests, or lines of them, to such as can be run."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from handler.api.problems import SHOWN_PROBLEMS
from handler.api.strict_json import canonical
from handler.jobs.request import CheckedRequest, JobRequest, checked
from handler.jobs.result import RequestResult
from handler.settings import Settings
from handler.wheel.errors import MalformedLineError, RefusedRequestError, WheelError
from model_layer.errors import ModelLayerError
from model_layer.language_model import LanguageModel


def read_requests(
    lines: Mapping[int, str], model: LanguageModel, *, seed: str, limits: Settings
) -> tuple[dict[int, CheckedRequest], dict[int, RequestResult]]:
    """The requests of numbered lines; a line that is refused has its result at once. `seed` is the whole job's."""
    requests, refused = {}, {}
    for number, line in lines.items():
        try:
            requests[number] = checked(_request(line), model, seed=seed_of(seed, number), limits=limits)
        except (ValidationError, WheelError, ModelLayerError) as error:
            refused[number] = RequestResult.failed(number, error)
    return requests, refused


def all_checked(
    requests: Sequence[JobRequest], model: LanguageModel, *, seed: str, limits: Settings
) -> dict[int, CheckedRequest]:
    """The requests by their numbers, if all can be run. Raises RefusedRequestError, which tells of the first that cannot."""
    found: dict[int, CheckedRequest] = {}
    refused: dict[int, Exception] = {}
    for number, request in enumerate(requests):
        try:
            found[number] = checked(request, model, seed=seed_of(seed, number), limits=limits)
        except (WheelError, ModelLayerError) as error:
            refused[number] = error
        if len(refused) == SHOWN_PROBLEMS:
            break
    if refused:
        raise RefusedRequestError(refused, most=SHOWN_PROBLEMS)
    return found


def is_request(line: bytes) -> bool:
    """Whether a line of a file is to be answered: blank ones are not, nor are they numbered."""
    return bool(line.strip())


def line_text(line: bytes) -> str:
    """The line without a byte order mark. Bytes that are not UTF-8 become lone surrogates, for which that line is refused."""
    return line.decode("utf-8-sig", errors="surrogateescape")


def seed_of(job_seed: str, number: int) -> str:
    """The seed of a request that brings none: another one for each request of a job, the same at each attempt."""
    return f"{job_seed}/{number}"


def _request(line: str) -> JobRequest:
    try:
        text = canonical(line.encode())
    except ValueError:
        raise MalformedLineError from None
    return JobRequest.model_validate_json(text)
