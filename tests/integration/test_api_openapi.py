"""The documentation says what the server does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from starlette.testclient import TestClient

from handler.wiring import Application
from tests.api_client import client_of, spin, start_session
from tests.finished_runs import finished_run
from tests.job_client import WHEEL, hand_in
from tests.judging_models import judging_application

OF_NO_CONTRACT = {
    ("GET", "/metrics"),
    ("GET", "/api/jobs/{job_id}/results"),
    ("GET", "/api/constitution/runs/{run_id}/files/{name}"),
}  # no JSON
BEGINNINGS = ("/api/sessions", "/api/jobs", "/api/constitution/runs")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application round a model that can judge."""
    return judging_application(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def client(application: Application) -> Iterator[TestClient]:
    """One server for the tests of this module."""
    with client_of(application) as client:
        yield client


@pytest.fixture(scope="module")
def schema(client: TestClient) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation."""
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolved(schema: dict[str, Any], reference: str) -> dict[str, Any]:
    """The component that a reference names."""
    _, kind, group, name = reference.split("/")
    found: dict[str, Any] = schema[kind][group][name]
    return found


def request_body(schema: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of an operation's body, if it has one."""
    if "requestBody" not in operation:
        return None
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    references = [body, *body.get("anyOf", [])]
    return resolved(schema, next(one["$ref"] for one in references if "$ref" in one))


def test_the_document_is_openapi(schema: dict[str, Any]) -> None:
    """It has OpenAPI's structure, and every reference leads somewhere."""
    OpenAPI.model_validate(schema)
    references = {part.split('"')[0] for part in json.dumps(schema).split('"$ref": "')[1:]}
    assert references
    for reference in references:
        resolved(schema, reference)


def test_every_route_is_documented(schema: dict[str, Any]) -> None:
    """All of table A and the additions."""
    assert {(method, path) for method, path, _ in operations(schema)} == {
        ("POST", "/api/sessions"),
        ("GET", "/api/sessions/{session_id}"),
        ("DELETE", "/api/sessions/{session_id}"),
        ("POST", "/api/sessions/{session_id}/set-prompt"),
        ("GET", "/api/sessions/{session_id}/next-token-probs"),
        ("GET", "/api/sessions/{session_id}/logits"),
        ("GET", "/api/sessions/{session_id}/room"),
        ("GET", "/api/sessions/{session_id}/greedy-path"),
        ("POST", "/api/sessions/{session_id}/append-token"),
        ("POST", "/api/sessions/{session_id}/spin"),
        ("POST", "/api/sessions/{session_id}/undo"),
        ("POST", "/api/sessions/{session_id}/fork"),
        ("GET", "/api/sessions/{session_id}/turns"),
        ("GET", "/api/sessions/{session_id}/export"),
        ("POST", "/api/wheel"),
        ("POST", "/api/score"),
        ("POST", "/api/jobs"),
        ("GET", "/api/jobs/{job_id}"),
        ("GET", "/api/jobs/{job_id}/results"),
        ("DELETE", "/api/jobs/{job_id}"),
        ("GET", "/api/constitution/principles"),
        ("POST", "/api/constitution/evaluate"),
        ("POST", "/api/constitution/revise"),
        ("POST", "/api/constitution/compare"),
        ("GET", "/api/constitution/plans"),
        ("POST", "/api/constitution/runs"),
        ("GET", "/api/constitution/runs"),
        ("GET", "/api/constitution/runs/{run_id}"),
        ("DELETE", "/api/constitution/runs/{run_id}"),
        ("POST", "/api/constitution/runs/{run_id}/resume"),
        ("GET", "/api/constitution/runs/{run_id}/report"),
        ("GET", "/api/constitution/runs/{run_id}/files"),
        ("GET", "/api/constitution/runs/{run_id}/files/{name}"),
        ("GET", "/api/models"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/metrics"),
    }


def test_every_error_status_is_documented(schema: dict[str, Any]) -> None:
    """The routes of a session or job tell 404 and 503, those with a body 413, 415 and 422, each with an example of every code."""
    for method, path, operation in operations(schema):
        statuses = set(operation["responses"])
        assert "500" in statuses, path
        if "{" in path:
            assert {"404", "503"} <= statuses, path
        if "requestBody" in operation:
            assert {"413", "415", "422"} <= statuses, path
        if "{session_id}" in path and method != "GET":
            assert "409" in statuses, path
        for status, response in operation["responses"].items():
            if status >= "400":
                content = response["content"]["application/json"]
                assert content["schema"]["$ref"].endswith("/ErrorBody"), (path, status)
                assert all(one["value"]["code"] == code for code, one in content["examples"].items()), (path, status)


def test_only_what_takes_something_can_be_wrong(schema: dict[str, Any]) -> None:
    """422 is documented for exactly the operations with a parameter or a body; /metrics tells that Lambda has none."""
    for method, path, operation in operations(schema):
        takes = "parameters" in operation or "requestBody" in operation
        assert ("422" in operation["responses"]) == takes, (method, path)
    assert "404" in schema["paths"]["/metrics"]["get"]["responses"]


def test_a_key_that_begins_something_is_documented_as_long(schema: dict[str, Any]) -> None:
    """The limits of Idempotency-Key stand where it is a parameter."""
    shortest = {}
    for method, path, operation in operations(schema):
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "Idempotency-Key":
                key = parameter["schema"]["anyOf"][0]
                shortest[method, path] = key["minLength"]
                assert (key["maxLength"], bool(parameter["description"])) == (255, True)
    assert [shortest.pop(("POST", path)) for path in BEGINNINGS] == [16, 16, 16]
    assert set(shortest.values()) == {1}


def test_every_example_is_accepted(client: TestClient, schema: dict[str, Any]) -> None:
    """Whoever copies a body from the documentation gets an answer of the documented success."""
    tried = 0
    for method, path, operation in operations(schema):
        body = request_body(schema, operation)
        for example in (body or {}).get("examples", []):
            session_id = start_session(client)["session_id"]
            answer = client.request(method, path.format(session_id=session_id), json=example)
            assert str(answer.status_code) in operation["responses"], (path, example)
            assert answer.status_code < 300, (path, example, answer.text)
            tried += 1
    assert tried >= 10


def test_every_body_has_an_example(schema: dict[str, Any]) -> None:
    """But for one that needs no field."""
    for _, path, operation in operations(schema):
        body = request_body(schema, operation)
        assert body is None or body.get("examples") or path.endswith("/undo"), path


def test_an_answer_of_two_contracts_names_both(schema: dict[str, Any]) -> None:
    """To cancel a job gives its head, to forget it another answer."""
    success = schema["paths"]["/api/jobs/{job_id}"]["delete"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert [one["$ref"].rsplit("/", 1)[-1] for one in success["anyOf"]] == ["JobHead", "JobForgotten"]


def test_headers_of_answers_are_documented(schema: dict[str, Any]) -> None:
    """Where an answer leads on by a header, its schema and what it is for stand with it."""
    jobs = schema["paths"]["/api/jobs"]["post"]["responses"]["202"]
    results = schema["paths"]["/api/jobs/{job_id}/results"]["get"]["responses"]["200"]
    assert jobs["description"] == "The job is accepted."
    for response, name in ((jobs, "Location"), (results, "Link")):
        assert response["headers"][name]["schema"] == {"type": "string"}
        assert response["headers"][name]["description"]


def test_every_choice_of_a_job_is_described(schema: dict[str, Any]) -> None:
    """Whoever reads the parameters of the routes about jobs learns what each is for."""
    parameters = [one for _, path, found in operations(schema) if "/jobs" in path for one in found.get("parameters", [])]
    assert {one["name"] for one in parameters} >= {"format", "after", "limit", "forget"}
    assert all(one.get("description") for one in parameters)


def test_a_seed_is_documented_as_it_is_taken(schema: dict[str, Any]) -> None:
    """A text within its limits, or an integer."""
    text, integer, null = resolved(schema, "#/components/schemas/SpinRequest")["properties"]["seed"]["anyOf"]
    assert text == {"type": "string", "minLength": 1, "maxLength": 100}
    assert (integer, null) == ({"type": "integer"}, {"type": "null"})


def test_answers_hold_exactly_the_documented_fields(client: TestClient, application: Application, schema: dict[str, Any]) -> None:
    """Each successful answer has the required fields of its contract and no other than its contract's."""
    session_id = start_session(client)["session_id"]
    job_id, run_id = hand_in(client, WHEEL), finished_run(client, application)
    spin(client, session_id)
    bodies = {
        "set-prompt": {"prompt": "a fox"},
        "append-token": {"category": "other"},
        "wheel": {"prompt": "a"},
        "score": {"text": "a fox"},
        "jobs": {"requests": [WHEEL]},
        "evaluate": {"text": "a fox"},
        "revise": {"prompt": "a fox"},
        "compare": {"prompt": "a fox"},
    }
    paths = sorted(operations(schema), key=lambda one: (one[0] == "DELETE", one[1].endswith("set-prompt")))
    for method, path, operation in paths:
        if (method, path) in OF_NO_CONTRACT:
            continue
        url = path.format(session_id=session_id, job_id=job_id, run_id=run_id)
        answer = client.request(method, url, json=bodies.get(path.rsplit("/", 1)[-1], {}))
        success = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        contract = resolved(schema, success.get("anyOf", [success])[0]["$ref"])
        assert set(contract["required"]) <= answer.json().keys() <= set(contract["properties"]), path
