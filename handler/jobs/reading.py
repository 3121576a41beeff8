"""From lines of JSON to requests that can be run. A line that cannot be has its result at once."""

from collections.abc import Mapping

from pydantic import ValidationError

from handler.api.strict_json import canonical
from handler.jobs.request import CheckedRequest, JobRequest, checked
from handler.jobs.result import RequestResult
from handler.settings import Settings
from handler.wheel.errors import MalformedLineError, WheelError
from model_layer.errors import ModelLayerError
from model_layer.language_model import LanguageModel


def read_requests(
    lines: Mapping[int, str], model: LanguageModel, *, seed: str, limits: Settings
) -> tuple[dict[int, CheckedRequest], dict[int, RequestResult]]:
    """The requests of numbered lines, and the results of those that are refused. `seed` is the whole job's."""
    requests, refused = {}, {}
    for number, line in lines.items():
        try:
            requests[number] = checked(_request(line), model, seed=seed_of(seed, number), limits=limits)
        except (ValidationError, WheelError, ModelLayerError) as error:
            refused[number] = RequestResult.failed(number, error)
    return requests, refused


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
