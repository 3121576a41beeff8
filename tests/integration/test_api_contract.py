"""Every route of the published token-wheel contract, with its fields and statuses."""

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.api_client import PROMPT, error_code, is_utc, make_client, spin, start_session

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TOKEN_FIELDS = {"token_id", "token_text", "token_bytes", "probability", "log_probability", "model_probability", "rank"}
HISTORY_FIELDS = {"token_id", "token_text", "probability", "category", "selected_at", "sampled_from_other"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module; each test has its own session."""
    with make_client(tmp_path_factory.mktemp("data")) as client:
        yield client


def test_create_session(client: TestClient) -> None:
    """201 with a uuid4, the default model and the time; without a prompt there is no wheel."""
    answer = client.post("/api/sessions", json={})
    assert answer.status_code == 201
    body = answer.json()
    assert UUID4.fullmatch(body["session_id"])
    assert (body["model_name"], body["version"], body["wheel"], body["current_text"]) == ("tiny", 0, None, "")
    assert is_utc(body["created_at"])
    assert is_utc(body["expires_at"])


def test_create_session_of_a_named_model(client: TestClient) -> None:
    """A known name is taken, an unknown one is 400, a body that is none is 422."""
    assert client.post("/api/sessions", json={"model_name": "tiny"}).status_code == 201
    assert error_code(client.post("/api/sessions", json={"model_name": "gpt-9"}), 400) == "model_not_found"
    assert error_code(client.post("/api/sessions"), 422) == "validation_error"
    assert error_code(client.post("/api/sessions", json=[]), 422) == "validation_error"


def test_create_session_with_prompt_and_settings(client: TestClient) -> None:
    """The first wheel comes with the session, made with its settings."""
    body = start_session(client, settings={"threshold": 0.1, "temperature": 0.5, "other_top_k": 3})
    assert body["current_text"] == body["initial_prompt"] == PROMPT
    assert body["wheel"]["settings"]["threshold"] == 0.1
    assert len(body["wheel"]["other_category"]["sample_tokens"]) == 3
    assert body["wheel"]["slices"][-1]["end_angle"] == 360


def test_get_session(client: TestClient) -> None:
    """The session with its text, prompt and history."""
    session_id = start_session(client)["session_id"]
    spun = spin(client, session_id)
    body = client.get(f"/api/sessions/{session_id}").json()
    assert body["initial_prompt"] == PROMPT
    assert body["current_text"] == spun["current_text"]
    assert body["generation_count"] == len(body["token_history"]) == 1
    assert body["token_history"][0].keys() >= HISTORY_FIELDS | TOKEN_FIELDS
    assert is_utc(body["last_accessed"])
    assert is_utc(body["token_history"][0]["selected_at"])


def test_set_prompt(client: TestClient) -> None:
    """A prompt is tokens and text, and clears the history; blank is 400, empty 422."""
    session_id = start_session(client)["session_id"]
    spin(client, session_id)
    path = f"/api/sessions/{session_id}/set-prompt"
    body = client.post(path, json={"prompt": "The fox said"}).json()
    assert (body["session_id"], body["current_text"], body["token_count"]) == (session_id, "The fox said", 3)
    assert body["message"]
    assert client.get(f"/api/sessions/{session_id}").json()["token_history"] == []
    assert error_code(client.post(path, json={"prompt": " \n\t"}), 400) == "blank_prompt"
    assert error_code(client.post(path, json={"prompt": ""}), 422) == "validation_error"
    assert error_code(client.post(path, json={}), 422) == "validation_error"
    assert error_code(client.post(path, json={"prompt": "a " * 200}), 400) == "context_window_exceeded"


def test_next_token_probs(client: TestClient) -> None:
    """The contract's fields, tokens in descending order, masses that add up, and our slices beside them."""
    session_id = start_session(client)["session_id"]
    query = {"threshold": 0.02, "other_top_k": 5, "temperature": 1.3}
    body = client.get(f"/api/sessions/{session_id}/next-token-probs", params=query).json()
    shown = body["above_threshold_tokens"]
    assert all(token.keys() == TOKEN_FIELDS and token["probability"] >= 0.02 for token in shown)
    assert [token["rank"] for token in shown] == list(range(1, len(shown) + 1))
    assert [token["probability"] for token in shown] == sorted((token["probability"] for token in shown), reverse=True)
    other = body["other_category"]
    assert len(other["sample_tokens"]) == 5
    assert other["token_count"] + len(shown) == body["vocabulary_size"]
    assert body["total_above_threshold_probability"] + other["total_probability"] == pytest.approx(1)
    assert (body["session_id"], body["current_text"], body["threshold"], body["temperature"]) == (session_id, PROMPT, 0.02, 1.3)
    assert [piece["token"] for piece in body["slices"]] == [*shown, None]
    assert not body["finished"]


@pytest.mark.parametrize(
    "query",
    [
        {"threshold": "-0.1"},
        {"threshold": "1.01"},
        {"threshold": "nan"},
        {"threshold": "inf"},
        {"temperature": "0"},
        {"temperature": "-1"},
        {"temperature": "nan"},
        {"temperature": "inf"},
        {"temperature": "1e999"},
        {"temperature": "1e-30"},
        {"top_p": "0"},
        {"top_p": "nan"},
        {"min_p": "2"},
        {"top_k": "-1"},
        {"top_k": "391"},
        {"other_top_k": "-1"},
        {"other_top_k": "101"},
        {"other_top_k": "9" * 40},
    ],
)
def test_a_setting_out_of_range_is_400(client: TestClient, query: dict[str, str]) -> None:
    """A number outside the limits of its setting, NaN and infinity too."""
    session_id = start_session(client)["session_id"]
    answer = client.get(f"/api/sessions/{session_id}/next-token-probs", params=query)
    assert error_code(answer, 400) == "setting_out_of_range"
    assert next(iter(query)) in answer.json()["detail"]


@pytest.mark.parametrize("query", [{"threshold": "low"}, {"temperature": ""}, {"other_top_k": "1.5"}, {"top_k": "1e3"}])
def test_what_is_no_number_is_422(client: TestClient, query: dict[str, str]) -> None:
    """The field is named, its value is not repeated."""
    session_id = start_session(client)["session_id"]
    answer = client.get(f"/api/sessions/{session_id}/next-token-probs", params=query)
    assert error_code(answer, 422) == "validation_error"
    assert [problem["field"] for problem in answer.json()["errors"]] == list(query)


def test_append_token_by_id(client: TestClient) -> None:
    """A chosen token has the numbers of the wheel that was shown."""
    session_id = start_session(client)["session_id"]
    look = client.get(f"/api/sessions/{session_id}/next-token-probs", params={"temperature": 2}).json()
    second = look["slices"][1]["token"]
    body = client.post(f"/api/sessions/{session_id}/append-token", json={"token_id": second["token_id"]}).json()
    assert {name: body["appended_token"][name] for name in TOKEN_FIELDS} == second
    assert (body["appended_token"]["category"], body["appended_token"]["sampled_from_other"]) == ("above_threshold", False)
    text = (PROMPT.encode() + bytes(second["token_bytes"])).decode(errors="replace")
    assert (body["previous_text"], body["current_text"]) == (PROMPT, text)
    assert body["token_history"][-1].keys() >= HISTORY_FIELDS
    assert "other_category_info" not in body
    assert body["settings"] == body["wheel"]["settings"] == {**{name: look[name] for name in body["settings"]}, "temperature": 2}


def test_append_token_by_text(client: TestClient) -> None:
    """A text that is one token is that token; one that is more, or nothing, is 400."""
    session_id = start_session(client)["session_id"]
    path = f"/api/sessions/{session_id}/append-token"
    assert client.post(path, json={"token_text": " fox"}).json()["current_text"] == PROMPT + " fox"
    assert error_code(client.post(path, json={"token_text": " fox fox"}), 400) == "not_one_token"
    assert error_code(client.post(path, json={"token_text": ""}), 400) == "not_one_token"


def test_append_token_from_other(client: TestClient) -> None:
    """The token has no slice of its own; the answer tells what Other held and the token's rank in the whole vocabulary."""
    session_id = start_session(client)["session_id"]
    look = client.get(f"/api/sessions/{session_id}/next-token-probs").json()
    body = client.post(f"/api/sessions/{session_id}/append-token", json={"category": "other"}).json()
    info, token = body["other_category_info"], body["appended_token"]
    assert info["selected_token_rank"] == token["rank"] > len(look["above_threshold_tokens"])
    assert info["token_count"] == look["other_category"]["token_count"]
    assert info["total_probability"] == look["other_category"]["total_probability"]
    assert (token["category"], token["sampled_from_other"]) == ("other", True)
    assert body["draw"]["slice_index"] == len(look["slices"]) - 1


@pytest.mark.parametrize("choice", [{}, {"token_id": 1, "token_text": "a"}, {"category": "above_threshold"}, {"category": None}])
def test_nothing_chosen_is_400(client: TestClient, choice: dict[str, object]) -> None:
    """Exactly one of the three ways to choose."""
    session_id = start_session(client)["session_id"]
    assert error_code(client.post(f"/api/sessions/{session_id}/append-token", json=choice), 400) == "nothing_chosen"


def test_nothing_in_other_is_400(client: TestClient) -> None:
    """top_k 1 leaves one token, which has the whole circle."""
    session_id = start_session(client)["session_id"]
    answer = client.post(f"/api/sessions/{session_id}/append-token", json={"category": "other", "top_k": 1})
    assert error_code(answer, 400) == "nothing_in_other"


def test_undo(client: TestClient) -> None:
    """Undo goes back token by token down to the prompt, and no further."""
    session_id = start_session(client)["session_id"]
    texts = [PROMPT, *(spin(client, session_id)["current_text"] for _ in range(3))]
    while len(texts) > 1:
        body = client.post(f"/api/sessions/{session_id}/undo").json()
        assert body["previous_text"] == texts.pop()
        assert body["current_text"] == texts[-1]
        assert body["removed_token"]["index"] == len(body["token_history"]) == len(texts) - 1
        assert body["message"]
    assert error_code(client.post(f"/api/sessions/{session_id}/undo"), 400) == "nothing_to_undo"


def test_delete_session(client: TestClient) -> None:
    """A deleted session is gone for every route."""
    session_id = start_session(client)["session_id"]
    answer = client.delete(f"/api/sessions/{session_id}", params={"expected_version": 0})
    body = answer.json()
    assert (body["session_id"], bool(body["message"])) == (session_id, True)
    assert error_code(client.get(f"/api/sessions/{session_id}"), 404) == "session_not_found"
    assert error_code(client.delete(f"/api/sessions/{session_id}"), 404) == "session_not_found"


def test_without_a_prompt_there_is_no_wheel(client: TestClient) -> None:
    """Look, spin and append are 400 until a prompt is set."""
    path = f"/api/sessions/{client.post('/api/sessions', json={}).json()['session_id']}"
    assert error_code(client.get(f"{path}/next-token-probs"), 400) == "prompt_missing"
    assert error_code(client.post(f"{path}/spin", json={}), 400) == "prompt_missing"
    assert error_code(client.post(f"{path}/append-token", json={"token_id": 1}), 400) == "prompt_missing"
