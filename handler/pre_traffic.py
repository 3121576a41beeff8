"""The check before a new version gets traffic: it starts a session on that version, spins it, and holds the answer to the laws.

CodeDeploy calls it (`PreTraffic` in template.yaml) and rolls the deployment back unless it is told that all is well.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from handler.settings import Settings
from handler.stores import code_deploy
from handler.stores.lambda_function import LambdaFunction
from handler.telemetry import Telemetry
from model_layer.sampling import seeded_uniform

PROMPT = "Once upon a time"
SEED = "pre-traffic"
CREATED, OK = 201, 200

Call = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class CheckFailedError(Exception):
    """Raise when a version does not answer as it must; the message names the law."""


def lambda_handler(event: Mapping[str, str], context: object) -> dict[str, bool]:  # noqa: ARG001 - Lambda gives both
    """Try the version of NEW_VERSION and tell CodeDeploy how it went."""
    settings = Settings.from_environment()
    assert settings.new_version, "the template names the version to try"
    telemetry = Telemetry(settings, forward_passes=lambda: 0)
    deployment_id = event["DeploymentId"]
    passed = True
    try:
        check(LambdaFunction(settings.new_version).call)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the version, the deployment must be told
        telemetry.failure(error, request_id=deployment_id)
        passed = False
    code_deploy.report(deployment_id, event["LifecycleEventHookExecutionId"], passed=passed)
    return {"passed": passed}


def check(call: Call) -> None:
    """Start, spin and delete a session by `call`. Raises CheckFailedError."""
    body = {"prompt": PROMPT, "settings": {"threshold": 0.02}}
    path = f"/api/sessions/{_answer(call, 'POST', '/api/sessions', body, wanted=CREATED)['session_id']}"
    try:
        _check_spin(_answer(call, "POST", f"{path}/spin", {"seed": SEED}, wanted=OK))
    finally:
        _answer(call, "DELETE", path, None, wanted=OK)


def _check_spin(spin: Mapping[str, Any]) -> None:
    """Raise CheckFailedError unless the seed's number decided the angle, and the text goes on with the token drawn."""
    if spin["target_angle"] != 360 * seeded_uniform(SEED, 0):
        raise CheckFailedError("target_angle must be 360 u")
    if not spin["current_text"].startswith(PROMPT) or spin["version"] != 1:
        raise CheckFailedError("the token must be appended, once")
    shares = [one["probability"] for one in spin["wheel"]["slices"]]
    if not spin["finished"] and abs(sum(shares) - 1) > 1e-9:
        raise CheckFailedError("the slices must sum to one")


def _answer(call: Call, method: str, path: str, body: object, *, wanted: int) -> dict[str, Any]:
    answer = call(http_event(method, path, body))
    if answer.get("statusCode") != wanted:
        raise CheckFailedError(f"{method} must be answered {wanted}")
    content: dict[str, Any] = json.loads(answer["body"])
    return content


def http_event(method: str, path: str, body: object) -> dict[str, Any]:
    """A request as an HTTP API hands it over (payload format 2.0).

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "pre-traffic.invalid"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "pre-traffic"},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
