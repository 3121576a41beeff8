"""What a wheel teaches over HTTP: a room's spins, the greedy path, the logits. None of it changes the session."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from handler.wheel.session import WheelSettings
from handler.wheel.wheel import make_wheel
from tests.api_client import error_code, make_client, spin, start_session

READS = ("room", "greedy-path", "logits")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module; each test has its own session."""
    with make_client(tmp_path_factory.mktemp("data")) as client:
        yield client


def read(client: TestClient, session_id: str, what: str, **query: Any) -> dict[str, Any]:
    """What is to be learned of a session."""
    answer = client.get(f"/api/sessions/{session_id}/{what}", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def whole(client: TestClient, session_id: str) -> dict[str, Any]:
    """All of a session but when it was read."""
    body = client.get(f"/api/sessions/{session_id}/export").json()
    return {name: value for name, value in body.items() if name not in {"expires_at", "last_accessed"}}


@pytest.mark.parametrize("what", READS)
def test_reading_changes_nothing(client: TestClient, what: str) -> None:
    """Neither tokens nor settings nor version, whatever settings the question has."""
    session_id = start_session(client)["session_id"]
    spin(client, session_id, temperature=0.5)
    before = whole(client, session_id)
    read(client, session_id, what, **({"temperature": 2, "top_k": 3} if what == "room" else {}))
    assert whole(client, session_id) == before


@pytest.mark.parametrize("what", READS)
def test_without_a_prompt_there_is_nothing_to_learn(client: TestClient, what: str) -> None:
    """As for a look."""
    session_id = client.post("/api/sessions", json={}).json()["session_id"]
    assert error_code(client.get(f"/api/sessions/{session_id}/{what}"), 400) == "prompt_missing"


def test_a_room_spins_the_wheel_that_is_shown(client: TestClient) -> None:
    """Its slices are those of the next look, its spins are all counted, and each bar holds its frequency."""
    session_id = start_session(client)["session_id"]
    room = read(client, session_id, "room", spins=500, temperature=1.5, threshold=0.03)
    shown = client.get(f"/api/sessions/{session_id}/next-token-probs", params={"temperature": 1.5, "threshold": 0.03}).json()
    assert [(one["token"], one["probability"]) for one in room["slices"]] == [
        (piece["token"], piece["probability"]) for piece in shown["slices"]
    ]
    assert sum(one["count"] for one in room["slices"]) == room["spins"] == 500
    for one in room["slices"]:
        assert one["frequency"] == one["count"] / 500
        assert one["low"] <= one["frequency"] <= one["high"]


def test_a_seeded_room_spins_as_sessions_do(client: TestClient) -> None:
    """Spin 0 of a room is the first spin of a session with that seed, and the same seed gives the same counts."""
    session_id = start_session(client)["session_id"]
    first = read(client, session_id, "room", spins=1, seed="class 7b")
    again = read(client, session_id, "room", spins=40, seed=7)
    assert again == read(client, session_id, "room", spins=40, seed="7")
    landed = next(one["index"] for one in first["slices"] if one["count"])
    assert spin(client, session_id, seed="class 7b")["slice_index"] == landed


def test_unseeded_rooms_differ(client: TestClient) -> None:
    """Chance comes from the operating system."""
    session_id = start_session(client)["session_id"]
    rooms = [[one["count"] for one in read(client, session_id, "room", spins=1000)["slices"]] for _ in range(3)]
    assert rooms[0] != rooms[1] or rooms[1] != rooms[2]


def test_the_greedy_path_is_top_1(client: TestClient) -> None:
    """Spins that keep one token walk the same way, and the text is theirs."""
    session_id = start_session(client)["session_id"]
    path = read(client, session_id, "greedy-path", tokens=6)
    assert all(token["rank"] == 1 for token in path["tokens"])
    spun = [spin(client, session_id, top_k=1) for _ in range(len(path["tokens"]))]
    assert [one["appended_token"]["token_id"] for one in spun] == [token["token_id"] for token in path["tokens"]]
    assert spun[-1]["current_text"].endswith(path["text"])
    assert read(client, session_id, "greedy-path", tokens=6)["tokens"] == path["tokens"], "it starts at the prompt"


def test_the_greedy_path_ends_with_the_window(client: TestClient) -> None:
    """It is as long as there is room for it."""
    created = start_session(client, "the " * 50)
    window = next(model["context_window"] for model in client.get("/api/models").json()["models"] if model["default"])
    prompt_tokens = len(client.get(f"/api/sessions/{created['session_id']}/export").json()["prompt_token_ids"])
    path = read(client, created["session_id"], "greedy-path", tokens=64)["tokens"]
    assert len(path) <= window - prompt_tokens < 64


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.4, "threshold": 0.002}, {"temperature": 5.0, "top_k": 40, "top_p": 0.9}]
)
def test_every_wheel_follows_from_the_logits(client: TestClient, settings: dict[str, Any]) -> None:
    """Whoever has the logits and the first tokens makes the server's wheel, to the last bits of a double."""
    session_id = start_session(client)["session_id"]
    ranked = read(client, session_id, "logits")
    logits = np.frombuffer(base64.b64decode(ranked["logits"]), "<f4")
    assert logits.size == ranked["vocabulary_size"]
    assert (np.diff(logits) <= 0).all()
    shown = client.get(f"/api/sessions/{session_id}/next-token-probs", params=settings).json()
    own = make_wheel(logits, WheelSettings(**settings), lambda rank: str(rank).encode())
    assert [piece.end_angle for piece in own.slices] == pytest.approx([piece["end_angle"] for piece in shown["slices"]], abs=1e-9)
    assert own.entropy == pytest.approx(shown["entropy"], abs=1e-9)
    for piece in shown["slices"]:
        if piece["token"]:
            assert ranked["tokens"][piece["index"]]["token_id"] == piece["token"]["token_id"]


@pytest.mark.parametrize(
    ("question", "status", "field"),
    [
        ("room?spins=0", 422, "spins"),
        ("room?spins=10001", 422, "spins"),
        ("room?seed=", 422, "seed"),
        ("room?temperature=0", 400, "temperature"),
        ("greedy-path?tokens=65", 422, "tokens"),
    ],
)
def test_questions_out_of_bounds_are_refused(client: TestClient, question: str, status: int, field: str) -> None:
    """With the field and its limit in words."""
    answer = client.get(f"/api/sessions/{start_session(client)['session_id']}/{question}")
    assert answer.status_code == status
    assert field in answer.text


def test_a_finished_session_has_no_wheel_to_spin(client: TestClient) -> None:
    """A room is told so, as a spin is."""
    created = start_session(client)
    end = next(
        token["token_id"]
        for token in read(client, created["session_id"], "logits")["tokens"]
        if token["token_text"] == "<|endoftext|>"
    )
    client.post(f"/api/sessions/{created['session_id']}/append-token", json={"token_id": end})
    assert error_code(client.get(f"/api/sessions/{created['session_id']}/room"), 409) == "session_finished"
