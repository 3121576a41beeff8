"""A student's text is in the answers that give it, and nowhere else."""

import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.wheel.token_wheel import TokenWheel
from handler.wiring import Application
from tests.api_client import UNKNOWN_ID, client_of, make_application, start_session
from tests.job_client import done
from tests.judging_models import judging_application

SECRET = "my secret is zebrazebra"
MARK = "zebra"

Call = tuple[str, str, dict[str, Any]]


def calls_about_jobs(client: TestClient, application: Application) -> list[Call]:
    """The same for jobs: one that is done, and several that are refused."""
    request = {"prompt": SECRET, "max_new_tokens": 3, "seed": SECRET}
    job_id = done(client, application, {"prompt": SECRET}, request, name=SECRET)
    path = f"/api/jobs/{job_id}"
    refused: list[dict[str, Any]] = [
        {"requests": [{"prompt": SECRET * 100}] * 30},
        {"requests": [request], "name": f"{SECRET}\n"},
        {"requests": [{**request, "seed": [SECRET]}]},
        {"requests": [{**request, "n": SECRET}], "name": SECRET},
        {"requests": [request], "name": SECRET * 10},
        {"requests": [request], "naem": SECRET},
        {"requests": [request] * 1001},
        {"requests": [request], "model_name": SECRET},
        {"requests": SECRET},
        {"input": f"s3://school/{MARK}", "output": f"s3://school/{MARK}/"},
        {"input": SECRET, "output": SECRET},
    ]
    key = {"Idempotency-Key": MARK * 4}
    return [
        *(("POST", "/api/jobs", {"json": body}) for body in refused),
        ("POST", "/api/jobs", {"json": {"requests": [request], "name": SECRET}, "headers": key}),
        ("POST", "/api/jobs", {"json": {"requests": [{"prompt": SECRET}]}, "headers": key}),
        ("GET", path, {}),
        ("GET", f"{path}?after={MARK}", {}),
        ("GET", f"/api/jobs/{MARK}", {}),
        *(("GET", f"{path}/results?format={form}", {}) for form in ("jsonl", "csv", MARK)),
        ("DELETE", path, {}),
        ("DELETE", f"{path}?forget={MARK}", {}),
        ("DELETE", f"{path}?forget=true", {}),
    ]


def calls_about_the_lab() -> list[Call]:
    """The same for judgements, revisions, comparisons and runs."""
    lab = "/api/constitution"
    own = {"name": MARK, "title": SECRET, "weight": 1, "phrases": [SECRET]}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("evaluate", {"text": SECRET}),
        ("evaluate", {"texts": [SECRET] * 101}),
        ("evaluate", {"text": SECRET, "mode": SECRET}),
        ("evaluate", {"text": SECRET, "mode": "rules", "principles": [own]}),
        ("evaluate", {"text": SECRET, "mode": "rules", "principles": [{**own, "name": SECRET}]}),
        ("evaluate", {"text": SECRET, "judge_model": SECRET}),
        ("revise", {"prompt": SECRET, "draft": SECRET, "seed": SECRET}),
        ("revise", {"prompt": SECRET, "reviser": SECRET}),
        ("revise", {"prompt": SECRET, "draft": SECRET, "model_name": SECRET}),
        ("compare", {"prompt": SECRET, "seed": SECRET}),
        ("compare", {"prompt": SECRET, "before": SECRET}),
        ("runs", {"plan": SECRET}),
        ("runs", {"base": SECRET}),
    ]
    return [
        *(("POST", f"{lab}/{path}", {"json": body}) for path, body in bodies),
        ("GET", f"{lab}/runs/{MARK}", {}),
        ("GET", f"{lab}/runs/{UNKNOWN_ID}/files/{MARK}", {}),
        ("GET", f"{lab}/runs/{UNKNOWN_ID}/report?format={MARK}", {}),
        ("DELETE", f"{lab}/runs/{MARK}", {}),
    ]


def walk_every_route(client: TestClient, application: Application) -> list[str]:
    """Send the secret everywhere, rightly and wrongly; the bodies of all errors."""
    session_id = start_session(client, SECRET)["session_id"]
    path = f"/api/sessions/{session_id}"
    calls: list[Call] = [
        ("GET", path, {}),
        ("POST", f"{path}/set-prompt", {"json": {"prompt": SECRET}, "headers": {"Idempotency-Key": MARK}}),
        ("POST", f"{path}/set-prompt", {"json": {"prompt": "x"}, "headers": {"Idempotency-Key": MARK}}),
        ("GET", f"{path}/next-token-probs?threshold={MARK}", {}),
        ("GET", f"{path}/next-token-probs?{MARK}={MARK}", {}),
        ("POST", f"{path}/spin", {"json": {"seed": SECRET}}),
        ("POST", f"{path}/spin", {"json": {"seed": [SECRET]}}),
        ("POST", f"{path}/append-token", {"json": {"token_text": SECRET}}),
        ("POST", f"{path}/append-token", {"json": {"category": SECRET}}),
        ("POST", f"{path}/undo", {}),
        ("POST", f"{path}/undo", {"json": {"expected_version": MARK}}),
        ("POST", f"{path}/fork", {"json": {"at_turn": MARK}}),
        ("GET", f"{path}/export", {}),
        ("GET", f"{path}/export?format={MARK}", {}),
        ("GET", f"{path}/turns?after={MARK}", {}),
        ("GET", f"/api/sessions/{MARK}", {}),
        ("POST", "/api/sessions", {"json": {"model_name": SECRET}}),
        ("POST", "/api/sessions", {"json": {"prompt": SECRET * 100}}),
        ("POST", "/api/sessions", {"content": SECRET, "headers": {"Content-Type": "application/json"}}),
        ("POST", "/api/sessions", {"content": SECRET, "headers": {"Content-Type": MARK}}),
        ("POST", "/api/sessions", {"content": SECRET * 1000}),
        ("POST", "/api/sessions", {"json": {}, "headers": {"Idempotency-Key": SECRET}}),
        ("POST", "/api/wheel", {"json": {"prompt": SECRET}}),
        ("POST", "/api/wheel", {"json": {"prompts": [SECRET] * 65}}),
        ("POST", "/api/score", {"json": {"text": SECRET}}),
        ("POST", "/api/score", {"json": {"text": SECRET * 20}}),
        ("GET", f"/{MARK}", {}),
        ("GET", f"/{MARK}/..%2f{MARK}", {}),
        (MARK.upper(), "/health", {}),
        ("DELETE", path, {}),
    ]
    calls += calls_about_jobs(client, application) + calls_about_the_lab()
    answers = [client.request(method, url, **rest) for method, url, rest in calls]
    assert {answer.status_code for answer in answers} >= {200, 400, 404, 405, 413, 415, 422}
    assert all(answer.status_code < 500 for answer in answers)
    return [answer.text + str(answer.headers) for answer in answers if answer.status_code >= 400]


@pytest.mark.parametrize("memory", [None, 1769])
def test_no_text_reaches_logs_metrics_or_errors(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, memory: int | None
) -> None:
    """Every route, right and wrong, on a laptop and on Lambda: the secret is in no line and no error."""
    caplog.set_level(logging.DEBUG)
    application = judging_application(tmp_path, aws_lambda_function_memory_size=memory)
    with client_of(application) as client:
        errors = walk_every_route(client, application)
        metrics = client.get("/metrics").text
    lines = [record.getMessage() + str(record.__dict__) for record in caplog.records if not record.name.startswith("httpx")]
    written = "".join(capfd.readouterr())
    assert written.count('"message":"request"') >= 30
    assert ("_aws" in written) == (memory is not None)
    for place in (*errors, *lines, metrics, written):
        assert MARK not in place.lower()


def test_an_unexpected_error_is_told_by_type_and_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets 500 and a number to quote, the log the type and the line with that number; neither gets the message."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(SECRET) from KeyError(SECRET)

    monkeypatch.setattr(TokenWheel, "undo", fail)
    with client_of(make_application(tmp_path)) as client:
        session_id = start_session(client)["session_id"]
        answer = client.post(f"/api/sessions/{session_id}/undo")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    written = "".join(capfd.readouterr())
    assert all(told in written for told in (body["correlation_id"], "ZeroDivisionError", "KeyError", "test_api_privacy.py:"))
    assert MARK not in answer.text + written
