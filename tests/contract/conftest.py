"""Job stores to keep the contract on. Modules about other things than jobs have fixtures of their own by these names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.jobs.job import JobStore
from tests.contract import job_values as values
from tests.contract.job_values import OpenedStore
from tests.contract.session_values import SetClock


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture(params=values.JOB_STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[OpenedStore]:
    """An empty store of each kind, with a look into it."""
    with request.param(tmp_path, clock) as store:
        yield store


@pytest.fixture
def store(opened: OpenedStore) -> JobStore:
    """An empty store of each kind."""
    return opened.store
