"""Writes that come twice, or too late."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api_client import make_client, spin, start_session


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module; each test has its own session."""
    with make_client(tmp_path_factory.mktemp("data")) as client:
        yield client


def test_a_stale_version_is_refused(client: TestClient) -> None:
    """A write for an older version changes nothing, and learns the current one."""
    session_id = start_session(client)["session_id"]
    spin(client, session_id, expected_version=0)
    writes: dict[str, dict[str, Any]] = {
        "spin": {},
        "append-token": {"token_id": 1},
        "undo": {},
        "set-prompt": {"prompt": "a"},
        "fork": {},
    }
    for path, body in writes.items():
        answer = client.post(f"/api/sessions/{session_id}/{path}", json={**body, "expected_version": 0})
        assert (answer.status_code, answer.json()["code"], answer.json()["current_version"]) == (409, "version_conflict", 1)
    gone = client.delete(f"/api/sessions/{session_id}", params={"expected_version": 0})
    assert (gone.status_code, gone.json()["code"], gone.json()["current_version"]) == (409, "version_conflict", 1)
    assert client.get(f"/api/sessions/{session_id}").json()["version"] == 1


def test_a_key_makes_one_change(client: TestClient) -> None:
    """The same key and request: one turn, one answer, to the byte."""
    session_id = start_session(client)["session_id"]
    for path, body in (
        ("spin", {"temperature": 2, "seed": "a"}),
        ("append-token", {"token_id": 9}),
        ("undo", None),
        ("fork", {}),
    ):
        once, again = (
            client.post(f"/api/sessions/{session_id}/{path}", json=body, headers={"Idempotency-Key": f"key-{path}"}) for _ in "12"
        )
        assert once.status_code == again.status_code < 300
        assert once.content == again.content
    assert client.get(f"/api/sessions/{session_id}").json()["version"] == 3
    first, second = (client.post("/api/sessions", json={}, headers={"Idempotency-Key": "begin-a-session-"}) for _ in "12")
    assert first.content == second.content
    gone = [client.delete(f"/api/sessions/{session_id}", headers={"Idempotency-Key": "end"}) for _ in "12"]
    assert [answer.status_code for answer in gone] == [200, 200]


def test_a_key_stands_for_one_request(client: TestClient) -> None:
    """The order of members and white space are no other request; another value, or another path, is: 422."""
    session_id = start_session(client)["session_id"]
    path, headers = f"/api/sessions/{session_id}/spin", {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert client.post(path, content=b'{"seed": "a", "top_k": 3}', headers=headers).status_code == 200
    assert client.post(path, content=b'{"top_k":3,"seed":"a"}', headers=headers).status_code == 200
    for other, body in ((path, b'{"seed":"b"}'), (path.replace("spin", "append-token"), b'{"token_id":1}')):
        answer = client.post(other, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert client.get(f"/api/sessions/{session_id}").json()["version"] == 1
    for query, status in (("expected_version=1", 200), ("expected_version=1", 200), ("expected_version=2", 422)):
        answer = client.delete(f"/api/sessions/{session_id}?{query}", headers={"Idempotency-Key": "end"})
        assert answer.status_code == status


def test_a_key_that_begins_a_session_is_long(client: TestClient) -> None:
    """Sessions have no scope yet in which keys are one person's own: what two people would think of is refused."""
    answer = client.post("/api/sessions", json={}, headers={"Idempotency-Key": "k" * 15})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert [problem["field"] for problem in answer.json()["errors"]] == ["Idempotency-Key"]
    assert "16" in answer.json()["errors"][0]["message"]
    assert client.post("/api/sessions", json={}, headers={"Idempotency-Key": "k" * 16}).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
def test_a_key_is_visible_ascii(client: TestClient, key: str) -> None:
    """Anything else is refused before it changes anything."""
    session_id = start_session(client)["session_id"]
    answer = client.post(f"/api/sessions/{session_id}/spin", json={}, headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 422
    assert client.get(f"/api/sessions/{session_id}").json()["version"] == 0
