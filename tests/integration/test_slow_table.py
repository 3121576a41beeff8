"""A table that takes connections and never answers: 503 with Retry-After, while the function and the gateway still wait."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.doors import http
from handler.entrypoint import lambda_handler
from handler.pre_traffic import http_event
from handler.stores.dynamodb import make_client
from tests.event_loop import own_event_loop
from tests.queue_events import Context
from tests.queue_function import started_function

FUNCTION_S = 28


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture(autouse=True)
def _function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, silent_port: int) -> Iterator[None]:
    """A function whose table is that port."""
    variables = {
        "SESSION_STORE": "dynamodb",
        "SESSIONS_TABLE": "sessions",
        "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{silent_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    http._adapter.cache_clear()
    with started_function(tmp_path, monkeypatch, **variables), own_event_loop():
        yield
    http._adapter.cache_clear()


def test_a_silent_table_is_503_with_a_time_to_come_again() -> None:
    """The request ends by itself, and says that it may be sent again."""
    answer = lambda_handler(http_event("GET", "/api/sessions/00000000-0000-4000-8000-000000000000", None), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (503, "store_unavailable")
    assert int(answer["headers"]["retry-after"]) > 0


def test_a_wheel_needs_no_table() -> None:
    """What keeps nothing goes on while the table is down."""
    assert lambda_handler(http_event("POST", "/api/wheel", {"prompt": "Once"}), Context())["statusCode"] == 200


def test_all_attempts_end_before_the_function_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice over: a spin reads and writes."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB")
    config: dict[str, float] = vars(make_client().meta.config)
    attempts = int(vars(make_client().meta.config)["retries"]["total_max_attempts"])
    longest_pauses_s = sum(2**number for number in range(attempts - 1))  # botocore's standard mode draws from 0 to 1, 2, ...
    longest_s = attempts * (config["connect_timeout"] + config["read_timeout"]) + longest_pauses_s
    assert 2 * longest_s < FUNCTION_S
