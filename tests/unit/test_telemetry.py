"""Laws of logs and metrics."""

import json
from typing import Any

import pytest

from handler.settings import Settings
from handler.telemetry import RequestRecord, Telemetry, request_id_of

RECORD = RequestRecord("POST", "/api/sessions/{session_id}/spin", 503, 12.5, "an-id")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was written, line by line."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Method, route template, status, time and id, and no second line."""
    Telemetry(Settings(), forward_passes=lambda: 0).request(RECORD)
    (line,) = lines(capsys)
    assert {name: line[name] for name in RequestRecord.__slots__} == {
        name: getattr(RECORD, name) for name in RequestRecord.__slots__
    }


def test_prometheus_counts_requests_and_passes() -> None:
    """Text for a scraper, of this telemetry's own requests only."""
    first, second = (Telemetry(Settings(), forward_passes=lambda: 42) for _ in "12")
    first.request(RECORD)
    first.request(RECORD)
    text = (first.exposition() or b"").decode()
    assert 'wheel_requests_total{method="POST",route="/api/sessions/{session_id}/spin",status="503"} 2.0' in text
    assert "wheel_forward_passes 42.0" in text
    assert b"503" not in (second.exposition() or b"")


def test_lambda_writes_its_metrics_into_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """One EMF line beside the request's own, and nothing to scrape."""
    telemetry = Telemetry(Settings(aws_lambda_function_memory_size=1769), forward_passes=lambda: 0)
    telemetry.request(RECORD)
    metrics = next(line for line in lines(capsys) if "_aws" in line)
    assert (metrics["route"], metrics["requests"], metrics["client_errors"], metrics["server_errors"]) == (
        RECORD.route,
        [1],
        [0],
        [1],
    )
    assert metrics["duration"] == [12.5]
    assert telemetry.exposition() is None


def test_a_failure_is_its_types_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole chain of causes, without a word of their messages."""

    def fail() -> None:
        try:
            raise KeyError("a secret")
        except KeyError as error:
            raise ValueError("another secret") from error

    with pytest.raises(ValueError, match="secret") as raised:
        fail()
    Telemetry(Settings(), forward_passes=lambda: 0).failure(raised.value, request_id="an-id")
    (line,) = lines(capsys)
    assert [cause["type"] for cause in line["causes"]] == ["ValueError", "KeyError"]
    assert all(cause["place"].startswith("tests/unit/test_telemetry.py:") for cause in line["causes"])
    assert "secret" not in json.dumps(line)


def test_a_request_has_one_id() -> None:
    """Lambda's where there is one; else a new one that stays."""
    context = type("Context", (), {"aws_request_id": "from-lambda"})()
    assert request_id_of({"aws.context": context}) == "from-lambda"
    scope: dict[str, Any] = {}
    assert request_id_of(scope) == request_id_of(scope) != request_id_of({})
