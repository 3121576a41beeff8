"""The check before a new version gets traffic: passed by the real application, failed by whatever breaks a law."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.stub import Stubber

from handler import pre_traffic
from handler.doors import http
from handler.entrypoint import lambda_handler as version
from handler.pre_traffic import CheckFailedError, check, http_event
from handler.stores import code_deploy
from handler.wheel.errors import StoreUnavailableError
from tests.contract.session_values import local_session
from tests.event_loop import own_event_loop
from tests.queue_events import Context
from tests.queue_function import started_function

EVENT = json.loads((Path(__file__).parents[2] / "events" / "pre-traffic.json").read_text())
ARN = "arn:aws:lambda:us-east-1:123456789012:function:wheel:7"


@pytest.fixture(autouse=True)
def _version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The version under test, with the tiny model, as a fresh environment has it."""
    monkeypatch.setenv("NEW_VERSION", ARN)
    with started_function(tmp_path, monkeypatch), own_event_loop():
        http._adapter.cache_clear()
        yield
    http._adapter.cache_clear()


def call(event: Mapping[str, Any]) -> dict[str, Any]:
    """The version's answer."""
    return version(dict(event), Context())


def spoiled(**changes: Any) -> Any:
    """The version, with these fields of its spins changed."""

    def called(event: Mapping[str, Any]) -> dict[str, Any]:
        answer = call(event)
        if event["rawPath"].endswith("/spin"):
            answer["body"] = json.dumps(json.loads(answer["body"]) | changes)
        return answer

    return called


def test_a_good_version_passes_and_leaves_nothing() -> None:
    """The session of the check is gone afterwards."""
    ids: list[str] = []

    def remembered(event: Mapping[str, Any]) -> dict[str, Any]:
        answer = call(event)
        ids.append(json.loads(answer["body"]).get("session_id", ""))
        return answer

    check(remembered)
    assert call(http_event("GET", f"/api/sessions/{ids[0]}", None))["statusCode"] == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"target_angle": 1.0},
        {"current_text": "Another text"},
        {"version": 2},
        {"wheel": {"slices": [{"probability": 0.5}]}, "finished": False},
    ],
)
def test_a_version_that_breaks_a_law_fails(changes: dict[str, Any]) -> None:
    """Angle, text, number of turns and the sum of the slices are looked at."""
    with pytest.raises(CheckFailedError):
        check(spoiled(**changes))


def test_a_version_that_answers_500_fails() -> None:
    """As does one whose answer is none."""
    for answer in (dict[str, Any](statusCode=500, body="{}"), dict[str, Any]()):
        with pytest.raises(CheckFailedError):
            check(Mock(return_value=answer))


@pytest.mark.parametrize("passes", [True, False])
def test_codedeploy_is_told(monkeypatch: pytest.MonkeyPatch, passes: bool) -> None:
    """Whether the version answers well, or not at all."""
    called: list[str] = []

    class Function:
        def __init__(self, name: str) -> None:
            called.append(name)

        def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
            """The answer of a version that is there, or not."""
            if passes:
                return call(event)
            raise StoreUnavailableError

    monkeypatch.setattr(pre_traffic, "LambdaFunction", Function)
    client = local_session().client("codedeploy")
    monkeypatch.setattr(code_deploy, "make_client", lambda: client)
    sent = {
        "deploymentId": EVENT["DeploymentId"],
        "lifecycleEventHookExecutionId": EVENT["LifecycleEventHookExecutionId"],
        "status": "Succeeded" if passes else "Failed",
    }
    with Stubber(client) as stubber:
        stubber.add_response("put_lifecycle_event_hook_execution_status", {}, sent)
        assert pre_traffic.lambda_handler(EVENT, Context()) == {"passed": passes}
        stubber.assert_no_pending_responses()
    assert called == [ARN]
