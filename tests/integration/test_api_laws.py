"""Laws of sessions over HTTP: what is shown is what is recorded, replayed, exported and kept."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api_client import PROMPT, client_of, make_application, make_client, spin, start_session


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module; each test has its own session."""
    with make_client(tmp_path_factory.mktemp("data")) as client:
        yield client


def look(client: TestClient, session_id: str, **query: Any) -> dict[str, Any]:
    """The wheel of a session."""
    body: dict[str, Any] = client.get(f"/api/sessions/{session_id}/next-token-probs", params=query).json()
    return body


def without_times(body: dict[str, Any]) -> dict[str, Any]:
    """An answer but for what goes with the clock."""
    return {name: value for name, value in body.items() if name not in {"expires_at", "last_accessed", "selected_at"}}


def test_two_looks_are_equal(client: TestClient) -> None:
    """Looking changes nothing but the time of the last access."""
    session_id = start_session(client)["session_id"]
    assert without_times(look(client, session_id)) == without_times(look(client, session_id))


def test_a_spin_gives_what_the_wheel_showed(client: TestClient) -> None:
    """The pointer's slice is the token's, its number is the recorded one, and the next wheel is the one then looked at."""
    session_id = start_session(client)["session_id"]
    for turn in range(8):
        shown = look(client, session_id, temperature=1 + turn / 4, threshold=0.03)
        spun = spin(client, session_id)
        landed = shown["slices"][spun["slice_index"]]
        assert landed["start_angle"] <= spun["target_angle"] < landed["end_angle"]
        token = {name: spun["appended_token"][name] for name in shown["other_category"]["sample_tokens"][0]}
        assert token in ([landed["token"]] if landed["token"] else [token])
        assert (spun["appended_token"]["category"] == "other") == (landed["kind"] == "other")
        session = client.get(f"/api/sessions/{session_id}").json()
        assert session["token_history"][turn]["probability"] == spun["appended_token"]["probability"]
        assert (session["current_text"], session["version"]) == (spun["current_text"], spun["version"])
        assert spun["settings"] == {name: shown[name] for name in spun["settings"]}
        assert session["settings"] == spun["settings"]
        assert spun["wheel"]["slices"] == look(client, session_id, **spun["settings"])["slices"]


def test_the_settings_last_shown_are_used(client: TestClient) -> None:
    """A spin that gives no settings spins the wheel that was looked at."""
    session_id = start_session(client)["session_id"]
    look(client, session_id, temperature=0.5, top_k=1)
    shown = client.get(f"/api/sessions/{session_id}").json()["settings"]
    assert (shown["temperature"], shown["top_k"]) == (0.5, 1)
    spun = spin(client, session_id)
    assert spun["appended_token"]["probability"] == 1
    assert spun["appended_token"]["model_probability"] < 1
    assert spun["wheel"]["settings"]["top_k"] == 1


def test_a_seed_replays_on_another_server(client: TestClient, tmp_path: Path) -> None:
    """The same seed, prompt and settings give the same tokens, angles and wheels anywhere; 7 and "7" are one seed."""

    def play(server: TestClient, seed: object) -> list[Any]:
        session_id = start_session(server, settings={"temperature": 1.5})["session_id"]
        spins = [spin(server, session_id, seed=seed) for _ in range(6)]
        return [(one["appended_token"], one["draw"], one["wheel"]) for one in spins]

    with make_client(tmp_path) as other:
        assert play(client, 7) == play(other, "7") != play(other, "8")


def test_a_session_outlives_its_server(tmp_path: Path) -> None:
    """Another application on the same file goes on where the first one stopped."""
    with make_client(tmp_path) as first:
        session_id = start_session(first)["session_id"]
        spin(first, session_id)
        before = first.get(f"/api/sessions/{session_id}/export").json()
    with make_client(tmp_path) as second:
        after = second.get(f"/api/sessions/{session_id}/export").json()
        assert without_times(after) == without_times(before)
        assert spin(second, session_id)["version"] == before["version"] + 1


def test_a_character_of_several_tokens_survives(tmp_path: Path) -> None:
    """An é and a fox of two and more tokens: text is whole after append, undo, fork and restart."""
    with make_client(tmp_path) as client:
        session_id = start_session(client)["session_id"]
        texts = []
        for byte in "é🦊".encode():
            token_id = next(i for i in range(390) if client.app.state.application.model().token_bytes(i) == bytes([byte]))  # type: ignore[attr-defined]
            body = client.post(f"/api/sessions/{session_id}/append-token", json={"token_id": token_id}).json()
            texts.append(body["current_text"])
        assert texts[-1] == PROMPT + "é🦊"
        assert client.post(f"/api/sessions/{session_id}/undo").json()["current_text"] == texts[-2]
        client.post(f"/api/sessions/{session_id}/append-token", json={"token_id": token_id})
        fork_id = client.post(f"/api/sessions/{session_id}/fork", json={}).json()["session_id"]
    with make_client(tmp_path) as restarted:
        for one in (session_id, fork_id):
            assert restarted.get(f"/api/sessions/{one}").json()["current_text"] == PROMPT + "é🦊"


def test_an_export_is_complete(client: TestClient) -> None:
    """JSON and CSV hold every token in order with its exact bytes and numbers, and the two agree."""
    session_id = start_session(client)["session_id"]
    for seed in range(5):
        spin(client, session_id, seed=seed, temperature=1.2)
    client.post(f"/api/sessions/{session_id}/append-token", json={"token_text": "-", "temperature": 0.9})
    whole = client.get(f"/api/sessions/{session_id}/export?format=json").json()
    answer = client.get(f"/api/sessions/{session_id}/export?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert b"".join(bytes.fromhex(row["token_bytes_hex"]) for row in rows).decode(errors="replace") == whole["current_text"]
    turns = [row for row in rows if row["kind"] == "turn"]
    assert [float(row["probability"]) for row in turns] == [turn["probability"] for turn in whole["turns"]]
    assert [float(row["u"]) for row in turns[:5]] == [turn["draw"]["u"] for turn in whole["turns"][:5]]
    assert [float(row["temperature"]) for row in turns] == [1.2] * 5 + [0.9]
    assert (turns[5]["u"], whole["turns"][5]["draw"], turns[5]["token_text"]) == ("", None, "'-")
    assert client.get(f"/api/sessions/{session_id}/export?format=xml").status_code == 422


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_an_export_is_a_formula(client: TestClient, start: str) -> None:
    """Neither a token nor a seed begins as spreadsheets' formulas do; the bytes are as they were."""
    session_id = start_session(client)["session_id"]
    spin(client, session_id, seed=f"{start}1")
    client.post(f"/api/sessions/{session_id}/append-token", json={"token_text": start})
    rows = list(csv.DictReader(io.StringIO(client.get(f"/api/sessions/{session_id}/export?format=csv").text, newline="")))
    assert (rows[-2]["seed"], rows[-1]["token_text"]) == (f"'{start}1", f"'{start}")
    assert bytes.fromhex(rows[-1]["token_bytes_hex"]) == start.encode()


def test_a_fork_is_its_own_session(client: TestClient) -> None:
    """It begins with the first turns of the other, and neither changes the other afterwards."""
    session_id = start_session(client)["session_id"]
    texts = [spin(client, session_id)["current_text"] for _ in range(3)]
    answer = client.post(f"/api/sessions/{session_id}/fork", json={"at_turn": 2})
    fork = answer.json()
    assert (answer.status_code, fork["current_text"], fork["forked_from"], fork["at_turn"]) == (201, texts[1], session_id, 2)
    spin(client, fork["session_id"])
    turns = [client.get(f"/api/sessions/{one}/turns").json()["turns"] for one in (session_id, fork["session_id"])]
    assert turns[0][:2] == turns[1][:2]
    assert client.get(f"/api/sessions/{session_id}").json()["current_text"] == texts[2]
    for at_turn in (-1, 4, 10**30):
        assert client.post(f"/api/sessions/{session_id}/fork", json={"at_turn": at_turn}).status_code == 400


def test_a_long_history_comes_in_pages(tmp_path: Path) -> None:
    """Answers hold the last 200 turns and the true count; the pages together hold all, once."""
    with make_client(tmp_path, max_turns=40) as client:
        session_id = start_session(client)["session_id"]
        for _ in range(30):
            spin(client, session_id, top_k=1)
        pages, after = [], -1
        while after is not None:
            page = client.get(f"/api/sessions/{session_id}/turns", params={"after": after}).json()
            pages += page["turns"]
            after = page["next_after"]
        assert [turn["index"] for turn in pages] == list(range(30)) == list(range(page["generation_count"]))
        assert client.get(f"/api/sessions/{session_id}/turns", params={"after": 10**30}).json()["turns"] == []


def test_a_finished_session_says_so(tmp_path: Path) -> None:
    """The last turn brings no next wheel; one more is 409; an undo opens the session again."""
    with make_client(tmp_path, max_turns=2) as client:
        session_id = start_session(client)["session_id"]
        assert spin(client, session_id)["finished"] is False
        last = spin(client, session_id)
        assert (last["finished"], last["finish_reason"], last["wheel"]) == (True, "turn_limit", None)
        for path, body in (("spin", {}), ("append-token", {"token_id": 1})):
            answer = client.post(f"/api/sessions/{session_id}/{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "session_finished")
        assert look(client, session_id)["finished"]
        client.post(f"/api/sessions/{session_id}/undo")
        assert spin(client, session_id)["finished"]


def test_many_wheels_are_the_wheels_one_by_one(client: TestClient) -> None:
    """A batch of unequal prompts gives each the wheel that it has alone."""
    prompts = ["Once", "The fox said to the raven:", "I see the sea"]
    together = client.post("/api/wheel", json={"prompts": prompts, "settings": {"threshold": 0.02}}).json()["wheels"]
    for prompt, wheel in zip(prompts, together, strict=True):
        alone = client.post("/api/wheel", json={"prompt": prompt, "settings": {"threshold": 0.02}}).json()["wheels"][0]
        assert [piece["end_angle"] for piece in wheel["slices"]] == pytest.approx(
            [piece["end_angle"] for piece in alone["slices"]], abs=0.02
        )


def test_a_score_is_what_the_wheels_say(client: TestClient) -> None:
    """Each token's probability in a text is the one on the wheel of the text before it."""
    scored = client.post("/api/score", json={"text": "Once upon a time"}).json()
    assert scored["tokens"][0]["probability"] is None
    session_id = start_session(client, "Once")["session_id"]
    for token in scored["tokens"][1:]:
        appended = client.post(f"/api/sessions/{session_id}/append-token", json={"token_id": token["token_id"]}).json()
        assert appended["appended_token"]["probability"] == pytest.approx(token["probability"], rel=1e-3)
        assert appended["appended_token"]["rank"] == token["rank"]
    total = sum(token["log_probability"] for token in scored["tokens"][1:])
    assert scored["total_log_probability"] == pytest.approx(total)


def test_a_missing_store_is_503(tmp_path: Path) -> None:
    """Whoever meets it is told when to come again, and readiness tells it too."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with client_of(make_application(blocked)) as client:
        for answer in (client.post("/api/sessions", json={}), client.get("/ready")):
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert str(tmp_path) not in answer.text
