"""The HTTP API round the tiny model, once for a module. Those that need another one have fixtures of their own by these names."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from handler.wiring import Application
from tests.api_client import client_of, make_application


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """One application for the tests of a module; each test has its own sessions and jobs."""
    return make_application(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def client(application: Application) -> Iterator[TestClient]:
    """A client of it."""
    with client_of(application) as client:
        yield client
