"""The one place where botocore's errors are translated, and the pauses before what AWS gives back is sent again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import SystemRandom

from botocore.exceptions import BotoCoreError, ClientError

from handler.wheel.errors import StoreUnavailableError

# The mean wait after each attempt of what a service gives back to the caller to repeat, which its SDK does not.
PAUSES_S = (0.025, 0.05, 0.1, 0.2, 0.4)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailableError when AWS fails, throttles or does not answer."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailableError from error


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer that is an error."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def wait_about(mean_s: float) -> None:
    """Wait from 0 to twice the mean, so that those who met do not meet again."""
    time.sleep(SystemRandom().uniform(0, 2 * mean_s))
