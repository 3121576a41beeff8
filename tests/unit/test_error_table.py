"""Laws of the one table from errors to answers."""

from collections.abc import Iterator

import pytest

from handler.api.problems import PROBLEMS
from handler.wheel.errors import WheelError
from model_layer.errors import BakeError, ModelLayerError


def subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    """An error type and all below it."""
    yield error
    for child in error.__subclasses__():
        yield from subclasses(child)


SERVED = [*subclasses(WheelError), *(error for error in subclasses(ModelLayerError) if not issubclass(error, BakeError))]


@pytest.mark.parametrize("error", SERVED, ids=lambda error: error.__name__)
def test_every_error_of_the_core_has_a_row(error: type[Exception]) -> None:
    """No error of the core or the model layer is answered by chance."""
    assert error in PROBLEMS


def test_codes_tell_client_errors_apart() -> None:
    """A program can tell what went wrong by its code alone."""
    codes = [problem.code for problem in PROBLEMS.values() if problem.status < 500]
    assert len(codes) == len(set(codes))


def test_server_errors_say_nothing_of_their_own_unless_it_is_written_here() -> None:
    """A path of a model's folder is for the log, not for the caller."""
    assert all(
        problem.detail for problem in PROBLEMS.values() if problem.status in {500, 503} and problem.code != "store_unavailable"
    )
