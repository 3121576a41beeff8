"""Copies of one primed process, as SnapStart restores them from one snapshot: nothing that they draw or name is the same."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.doors import http, warm_up
from handler.entrypoint import lambda_handler
from handler.pre_traffic import http_event
from tests.api_client import tiny_model_folder
from tests.event_loop import own_event_loop
from tests.queue_events import Context
from tests.queue_function import started_function

COPIES = 50


@pytest.fixture(autouse=True)
def _primed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process as the init phase leaves it: its model loaded and run once, nothing answered yet."""
    http._adapter.cache_clear()
    warm_up.environment_id.cache_clear()
    with started_function(tmp_path, monkeypatch, THREADS="1") as application, own_event_loop():
        application.prime()
        yield
    http._adapter.cache_clear()


def in_a_copy(work: Callable[[], Any]) -> Any:
    """What the work gives in a copy of this process, which ends with it."""
    reading, writing = os.pipe()
    copy = os.fork()
    if copy == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        text = answers.read()
    assert os.waitpid(copy, 0)[1] == 0
    return json.loads(text)


def asked(method: str, path: str, body: object) -> dict[str, Any]:
    """The body of a successful answer."""
    answer = lambda_handler(http_event(method, path, body), Context())
    assert answer["statusCode"] in {200, 201}, answer
    content: dict[str, Any] = json.loads(answer["body"])
    return content


def first_spin() -> list[Any]:
    """What a copy draws and names when it answers for the first time."""
    session = asked("POST", "/api/sessions", {"prompt": "Once upon a time"})["session_id"]
    spin = asked("POST", f"/api/sessions/{session}/spin", {})
    return [spin["target_angle"], session, lambda_handler({"warm_up": {}}, Context())["warm_up"]["environment_id"]]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the copies take over no thread that they would need
def test_fifty_copies_spin_fifty_times() -> None:
    """Each has an angle, a session and a name of its own."""
    angles, sessions, names = zip(*(in_a_copy(first_spin) for _ in range(COPIES)), strict=True)
    assert [len(set(values)) for values in (angles, sessions, names)] == [COPIES] * 3


INIT_WITHOUT_CLIENTS = """
import boto3.session
def refuse(*_, **__):
    raise AssertionError("a client was made at init")
boto3.session.Session.client = refuse
import handler.entrypoint
from handler.wiring import application
print(application().catalog.is_loaded("tiny"), application().settings.session_store)
"""


def test_no_client_is_made_at_init(tmp_path: Path) -> None:
    """Connections and credentials of a snapshot are stale in its copies: clients are made at the first request."""
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/jobs"
    variables = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "MODEL": str(tiny_model_folder()),
        "DATA_FOLDER": str(tmp_path),
        "SESSION_STORE": "dynamodb",
        "SESSIONS_TABLE": "sessions",
        "JOB_STORE": "dynamodb",
        "JOBS_TABLE": "jobs",
        "JOB_QUEUE": "sqs",
        "JOB_QUEUE_URL": url,
        "JOBS_LOCATION": "s3://bucket/jobs/",
    }
    done = subprocess.run([sys.executable, "-c", INIT_WITHOUT_CLIENTS], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True dynamodb"
    assert list(tmp_path.iterdir()) == []
