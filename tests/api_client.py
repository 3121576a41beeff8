"""Applications round a tiny random model, for the tests of the HTTP API."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from handler.api.app import create_app
from handler.settings import Settings
from handler.wiring import Application, build
from tests.baked_models import make_baked_model

PROMPT = "Once upon a time"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@cache
def tiny_model_folder() -> Path:
    """One baked tiny model for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_baked_model(folder / "tiny")


def make_settings(data_folder: Path, **changes: Any) -> Settings:
    """Settings that serve the tiny model from `data_folder`."""
    return Settings(model=str(tiny_model_folder()), models_folders=(), data_folder=data_folder, threads=1, **changes)


def make_application(data_folder: Path, *, clock: Callable[[], Any] | None = None, **changes: Any) -> Application:
    """An application on the sessions of `data_folder`."""
    settings = make_settings(data_folder, **changes)
    return build(settings) if clock is None else build(settings, clock=clock)


def make_client(data_folder: Path, **changes: Any) -> TestClient:
    """A client of such an application. Like a real server it answers 500, and raises nothing."""
    return client_of(make_application(data_folder, **changes))


def client_of(application: Application) -> TestClient:
    """A client of an application."""
    return TestClient(create_app(application), raise_server_exceptions=False)


def start_session(client: TestClient, prompt: str = PROMPT, **fields: Any) -> dict[str, Any]:
    """The answer to a new session at a prompt."""
    answer = client.post("/api/sessions", json={"prompt": prompt, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def spin(client: TestClient, session_id: str, **fields: Any) -> dict[str, Any]:
    """The answer to a spin, by a fixed seed if none is given: a test must not end in a chance end of text."""
    answer = client.post(f"/api/sessions/{session_id}/spin", json={"seed": "law", **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def error_code(answer: Any, status: int) -> str:
    """The code of an error answer of that status, in the shape that all have."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert isinstance(body["detail"], str)
    return str(body["code"])


def is_utc(text: str) -> bool:
    """Whether a text is an ISO 8601 time ending in Z."""
    return text.endswith("Z") and datetime.fromisoformat(text).utcoffset() is not None
