"""The function as Lambda calls it: every event of `events/` goes through the same application."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handler import entrypoint, wiring
from handler.doors import http
from handler.doors.recognition import UnknownEventError
from handler.entrypoint import lambda_handler
from model_layer.language_model import LanguageModel
from tests.api_client import tiny_model_folder
from tests.event_loop import own_event_loop

EVENTS = Path(__file__).parents[2] / "events"
HTTP_EVENTS = sorted(path for path in EVENTS.glob("*.json") if "requestContext" in json.loads(path.read_text()))
CONTEXT = SimpleNamespace(aws_request_id="5f0c7e57-0000-4000-8000-000000000009")
SECRET = "zebra-in-the-event"
STAGED = ["rest-api-health.json", "http-api-stage-health.json"]
UNSTAGED = ["http-api-health.json", "function-url-health.json", "load-balancer-health.json"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A function that was just started, with the tiny model."""
    monkeypatch.setenv("MODEL", str(tiny_model_folder()))
    monkeypatch.setenv("DATA_FOLDER", str(tmp_path))
    forget()
    yield
    forget()


@pytest.fixture(autouse=True)
def _event_loop() -> Iterator[None]:
    """A loop for Mangum."""
    with own_event_loop():
        yield


def forget() -> None:
    """Throw away what this process keeps from call to call, as a fresh execution environment has it."""
    wiring.application.cache_clear()
    http._adapter.cache_clear()


def read(name: str, path: str | None = None) -> dict[str, Any]:
    """An event, asked for another path if one is given."""
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    if path is not None:
        _redirect(event, path)
    return event


def _redirect(event: dict[str, Any], path: str) -> None:
    context = event["requestContext"]
    stage = context.get("stage", "$default")
    shown = path if stage == "$default" else f"/{stage}{path}"
    if "rawPath" in event:
        event["rawPath"] = context["http"]["path"] = shown
    else:
        event["path"] = path
        if "path" in context:
            context["path"] = shown


def body_of(answer: dict[str, Any]) -> str:
    """An answer's body as text."""
    return base64.b64decode(answer["body"]).decode() if answer.get("isBase64Encoded") else str(answer["body"])


@pytest.mark.parametrize("path", HTTP_EVENTS, ids=lambda path: path.stem)
def test_every_event_is_answered(path: Path) -> None:
    """Each kind of event reaches its route, with its body however it is encoded."""
    answer = lambda_handler(read(path.name), CONTEXT)
    body = json.loads(body_of(answer))
    assert answer["statusCode"] == (201 if "create-session" in path.stem else 200), body
    if "create-session" in path.stem:
        assert (body["current_text"], body["wheel"]["settings"]["threshold"]) == ("Once upon a time", 0.02)
    elif "wheel" in path.stem:
        assert len(body["wheels"]) == 2
    else:
        assert body["status"] == "healthy"


def test_all_kinds_give_the_same_wheels() -> None:
    """The source of an event changes nothing of the answer."""
    answers = {body_of(lambda_handler(read(path.name), CONTEXT)) for path in HTTP_EVENTS if path.stem.endswith("wheel")}
    assert len(answers) == 1


@pytest.mark.parametrize(("name", "prefix"), [*((name, "/prod") for name in STAGED), *((name, "") for name in UNSTAGED)])
def test_the_documentation_works_under_a_stage(name: str, prefix: str) -> None:
    """The page at /docs asks for the OpenAPI file where the caller finds it, and that file names the stage."""
    page = body_of(lambda_handler(read(name, "/docs"), CONTEXT))
    found = re.search(r"url: '([^']+)'", page)
    assert found
    assert found[1] == f"{prefix}/openapi.json"
    schema = json.loads(body_of(lambda_handler(read(name, "/openapi.json"), CONTEXT)))
    assert "/api/sessions" in schema["paths"]
    assert [server["url"] for server in schema.get("servers", [])] == ([prefix] if prefix else [])


def test_a_stage_named_like_a_route_hides_nothing() -> None:
    """A stage called api, in front of /api/models."""
    event = read("rest-api-health.json")
    event["requestContext"]["stage"] = "api"
    _redirect(event, "/api/models")
    assert lambda_handler(event, CONTEXT)["statusCode"] == 200
    event = read("http-api-stage-health.json")
    event["requestContext"]["stage"] = "api"
    _redirect(event, "/api/models")
    assert lambda_handler(event, CONTEXT)["statusCode"] == 200


def test_a_base_path_goes_before_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A custom domain that maps /wheel to this function."""
    monkeypatch.setenv("BASE_PATH", "/wheel")
    event = read("http-api-health.json", "/wheel/docs")
    assert "/wheel/openapi.json" in body_of(lambda_handler(event, CONTEXT))
    assert lambda_handler(read("http-api-health.json", "/wheel/health"), CONTEXT)["statusCode"] == 200


def test_the_model_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two invocations of one environment load one model."""
    loads = []
    really_open = LanguageModel.open

    def counted(*arguments: Any, **options: Any) -> LanguageModel:
        loads.append(arguments)
        return really_open(*arguments, **options)

    monkeypatch.setattr(LanguageModel, "open", counted)
    for _ in range(2):
        assert lambda_handler(read("http-api-create-session.json"), CONTEXT)["statusCode"] == 201
    assert len(loads) == 1


def test_a_session_goes_on_over_any_door() -> None:
    """A session begun through a REST API is spun through a load balancer."""
    session_id = json.loads(body_of(lambda_handler(read("rest-api-create-session.json"), CONTEXT)))["session_id"]
    event = read("load-balancer-create-session.json", f"/api/sessions/{session_id}/spin")
    event["body"] = json.dumps({"seed": 1})
    assert json.loads(body_of(lambda_handler(event, CONTEXT)))["version"] == 1


def test_the_request_id_is_lambdas() -> None:
    """What stands in the platform's log stands in the answer."""
    headers = lambda_handler(read("http-api-health.json"), CONTEXT)["headers"]
    assert headers["x-request-id"] == CONTEXT.aws_request_id


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"source": "aws.s3", "detail-type": "Object Created"},
        {"source": ["aws.events"], "detail-type": "Scheduled Event"},
        {"requestContext": {}},
        {"requestContext": None, "version": "2.0"},
        {"prompt": "Once"},
        [],
        "text",
        None,
    ],
)
def test_an_unknown_event_is_a_named_error(event: object) -> None:
    """What is no request is not answered as if it were one, and its content is not repeated."""
    with pytest.raises(UnknownEventError) as raised:
        lambda_handler(event, CONTEXT)
    assert "Once" not in str(raised.value)


def test_an_error_has_the_same_shape_on_lambda() -> None:
    """A body that is no JSON, as an event."""
    event = deepcopy(read("http-api-create-session.json"))
    event["body"] = '{"prompt": NaN}'
    answer = lambda_handler(event, CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (422, "malformed_json")


def broken(name: str) -> Iterator[dict[str, Any]]:
    """The event, each time with one part that makes it no whole request."""
    for changes in (
        {"body": "e30", "isBase64Encoded": True},
        {"body": "!!!!", "isBase64Encoded": True},
        {"body": "\ud800", "isBase64Encoded": False},
        {"body": '{"prompt": "\udfff"}', "isBase64Encoded": False},
        {"body": {}, "isBase64Encoded": False},
        {"body": {"prompt": SECRET}},
        {"body": 0},
        {"body": [SECRET], "isBase64Encoded": True},
        {"headers": [SECRET]},
        {"headers": {"x-name": 7}},
        {"headers": {SECRET: None}},
    ):
        yield {**read(name), **changes}
    event = read(name)
    if "http" in event["requestContext"]:
        yield {**event, "headers": None}
        for part in ("method", "path"):
            less = deepcopy(event)
            del less["requestContext"]["http"][part]
            yield less
    else:
        for part in ("httpMethod", "path"):
            yield {key: value for key, value in event.items() if key != part}


@pytest.mark.parametrize("name", [path.name for path in HTTP_EVENTS if "create-session" in path.stem])
def test_a_broken_event_is_400(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the shape of its source, with nothing done, and with nothing of it in the log."""
    wiring.application().prime()
    store = wiring.application().store
    events = list(broken(name))
    for event in events:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(store), "create", lambda *_, **__: pytest.fail("a broken event began a session"))
            answer = lambda_handler(event, CONTEXT)
        assert answer["statusCode"] == 400, (event, answer)
        assert json.loads(answer["body"])["code"] == "malformed_event"
        assert answer["isBase64Encoded"] is False
        assert answer["headers"]["content-type"] == "application/json"
        assert answer["headers"]["x-request-id"] == CONTEXT.aws_request_id
    written = capsys.readouterr().out
    assert written.count('"message":"failure"') == len(events)
    assert SECRET not in written


def test_a_load_balancer_with_many_values_gets_them() -> None:
    """One that sends multiValueHeaders reads no other headers of an answer."""
    event = read("load-balancer-create-session.json")
    event["multiValueHeaders"] = {name: [value] for name, value in event.pop("headers").items()}
    assert lambda_handler(event, CONTEXT)["statusCode"] == 201
    answer = lambda_handler({**event, "body": {}}, CONTEXT)
    assert (answer["statusCode"], answer["multiValueHeaders"]["content-type"]) == (400, ["application/json"])


def test_the_init_phase_loads_the_model(tmp_path: Path) -> None:
    """On Lambda the import of the entry point leaves nothing heavy to the first student."""
    variables = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "MODEL": str(tiny_model_folder()), "DATA_FOLDER": str(tmp_path)}
    program = "import handler.entrypoint, handler.wiring as w; print(w.application().catalog.is_loaded('tiny'))"
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert '"message":"model ready"' in done.stdout
    assert done.stdout.splitlines()[-1] == "True"


def test_the_entry_point_is_small() -> None:
    """It recognises and delegates, and holds nothing else."""
    assert len(Path(entrypoint.__file__).read_text().splitlines()) <= 25
