"""Models, health and metrics, and what is unknown: sessions, routes, methods."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.api.contracts.precision import ModelPrecisionBody
from handler.wiring import Application
from tests.api_client import UNKNOWN_ID, error_code, is_utc, make_client, spin, start_session


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module; each test has its own session."""
    with make_client(tmp_path_factory.mktemp("data")) as client:
        yield client


ROUTES_OF_A_SESSION: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("POST", "/set-prompt", {"prompt": "a"}),
    ("GET", "/next-token-probs", None),
    ("POST", "/append-token", {"token_id": 1}),
    ("POST", "/spin", {}),
    ("POST", "/undo", None),
    ("POST", "/fork", {}),
    ("GET", "/turns", None),
    ("GET", "/export", None),
]


@pytest.mark.parametrize(("method", "rest", "body"), ROUTES_OF_A_SESSION)
@pytest.mark.parametrize(
    "session_id", [UNKNOWN_ID, "not-a-uuid", "1", "%00", "é", UNKNOWN_ID.replace("-", ""), "{" + UNKNOWN_ID + "}"]
)
def test_an_unknown_session_is_404(
    client: TestClient, method: str, rest: str, body: dict[str, Any] | None, session_id: str
) -> None:
    """What no session can be called is as unknown as a session that is not there."""
    answer = client.request(method, f"/api/sessions/{session_id}{rest}", json=body)
    assert error_code(answer, 404) == "session_not_found"


def test_models(client: TestClient) -> None:
    """The models of this server, one of them the default."""
    models = client.get("/api/models").json()["models"]
    assert [model["id"] for model in models if model["default"]] == ["tiny"]
    assert all(model.keys() >= {"id", "name", "description", "parameters", "default"} for model in models)


def test_every_wheel_tells_its_precision(client: TestClient) -> None:
    """The models say in numbers and words how far their precision moves probabilities, and each wheel says it too."""
    tiny = next(model for model in client.get("/api/models").json()["models"] if model["id"] == "tiny")["precision"]
    assert tiny["dtype"] == "float16"
    assert 0 < tiny["max_probability_change"] < 0.05
    assert 0 < tiny["mean_kl"] <= tiny["max_kl"] <= 1e-3
    assert "float16" in tiny["summary"]
    assert str(tiny["contexts"]) in tiny["summary"]
    told = {name: tiny[name] for name in ("dtype", "max_probability_change", "mean_kl")}
    session = start_session(client)
    look = client.get(f"/api/sessions/{session['session_id']}/next-token-probs").json()
    stateless = client.post("/api/wheel", json={"prompts": ["The fox", "The sea"]}).json()["wheels"]
    chosen = client.post(f"/api/sessions/{session['session_id']}/append-token", json={"token_id": 1}).json()
    spun = spin(client, session["session_id"])
    for wheel in (session["wheel"], look, *stateless, chosen["wheel"], spun["wheel"]):
        assert wheel["precision"] == told


@pytest.mark.parametrize(("dtype", "numerics"), [("float16", {"max_kl": 1e-6}), ("float32", {"max_probability_change": 0.0})])
def test_precision_of_which_little_is_known(dtype: str, numerics: dict[str, float], client: TestClient) -> None:
    """A manifest that states no error, or none at all, is told without one."""
    application: Application = client.app.state.application  # type: ignore[attr-defined]  # typed as a plain ASGI app
    manifest = replace(application.catalog.manifest("tiny"), dtype=dtype, numerics=numerics)
    told = ModelPrecisionBody.of(manifest).model_dump()
    assert dtype in told["summary"]
    assert told["mean_kl"] is None
    assert told["contexts"] is None


def test_health_and_ready(client: TestClient) -> None:
    """The process is healthy, and ready once model and store answer."""
    assert client.get("/ready").json() == {"status": "ready"}
    body = client.get("/health").json()
    assert (body["status"], body["model_loaded"]) == ("healthy", True)
    assert is_utc(body["timestamp"])


@pytest.mark.parametrize("path", ["/health", "/ready", "/api/models"])
def test_a_probe_may_ask_for_the_head(client: TestClient, path: str) -> None:
    """HEAD answers as GET does, without a body."""
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == client.get(path).headers["content-type"]


def test_health_loads_no_model(tmp_path: Path) -> None:
    """A probe of the process costs nothing and tells that the model is not there yet."""
    with make_client(tmp_path) as fresh:
        assert fresh.get("/health").json()["model_loaded"] is False
        assert not list(tmp_path.iterdir())


def test_metrics_count_routes_by_template(client: TestClient) -> None:
    """Prometheus text whose labels are route templates."""
    start = start_session(client)["session_id"]
    spin(client, start)
    text = client.get("/metrics").text
    assert 'wheel_requests_total{method="POST",route="/api/sessions/{session_id}/spin",status="200"}' in text
    assert "wheel_forward_passes" in text
    assert start not in text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nope"), ("POST", "/nope"), ("GET", "/api/nope"), ("PUT", "/api/sessions/1/2/3")]
)
def test_an_unknown_route_is_404(client: TestClient, method: str, path: str) -> None:
    """In the same shape as every error."""
    assert error_code(client.request(method, path), 404) == "not_found"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/sessions"), ("PUT", "/api/models"), ("POST", "/health"), ("GET", "/api/wheel")]
)
def test_a_wrong_method_is_405(client: TestClient, method: str, path: str) -> None:
    """With the allowed ones in the header."""
    answer = client.request(method, path)
    assert error_code(answer, 405) == "method_not_allowed"
    assert answer.headers["allow"]
