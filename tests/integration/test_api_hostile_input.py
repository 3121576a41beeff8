"""No input makes the server fail, and no error repeats it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.wheel.wheel import Wheel, make_wheel
from tests.api_client import UNKNOWN_ID, make_client, start_session

MARKER = "zebra-in-the-input"
BODY_LIMIT = 16 * 1024
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module; each test has its own session."""
    with make_client(tmp_path_factory.mktemp("data")) as client:
        yield client


def assert_refused(answer: object, *statuses: int) -> None:
    """A 4xx of the common shape that holds nothing of what was sent."""
    status, text = answer.status_code, answer.text  # type: ignore[attr-defined]
    assert status in statuses, f"{status}: {text[:300]}"
    assert {"detail", "code"} <= json.loads(text).keys()
    assert MARKER not in text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"threshold": NaN}', 422),
        (b'{"threshold": Infinity}', 422),
        (b'{"temperature": 1e999}', 422),
        (b'{"temperature": "warm"}', 422),
        (b'{"temperature": true}', 422),
        (b'{"temperature": 0}', 400),
        (b'{"temperature": 1e-30}', 400),
        (b'{"threshold": 1' + b"0" * 400 + b"}", 422),
        (b'{"top_k": 1' + b"0" * 400 + b"}", 400),
        (b'{"top_k": 1' + b"0" * 5000 + b"}", 422),
        (b'{"top_k": 2.5}', 422),
        (b'{"other_top_k": -1}', 400),
        (b'{"other_top_k": 1000000000}', 400),
        (b'{"seed": "\\ud800"}', 422),
        (b'{"seed": []}', 422),
        (b'{"seed": true}', 422),
        (b'{"seed": ""}', 422),
        (b'{"seed": "' + b"s" * 101 + b'"}', 422),
        (b'{"expected_version": "0"}', 422),
        (b'{"expected_version": -1}', 409),
        (b'{"expected_version": 1' + b"0" * 40 + b"}", 409),
        (b'{"\\udfff": 1}', 422),
        (b"[" * 8000, 422),
        (b"[" * 4000 + b"]" * 4000, 422),
        (b'{"x":' * 900 + b"1" + b"}" * 900, 422),
        (b"{" * 100, 422),
        (b"\xff\xfe", 422),
        (b"null,", 422),
        (b'"' + MARKER.encode() + b'"', 422),
        (b'["' + MARKER.encode() + b'"]', 422),
        (b'{"temperature": "' + MARKER.encode() + b'"}', 422),
        (b'{"' + MARKER.encode() + b'": NaN}', 422),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_hostile_spin_is_refused(client: TestClient, body: bytes, status: int) -> None:
    """Every odd value of every field, and every way not to be JSON."""
    session_id = start_session(client)["session_id"]
    for headers in (JSON, {**JSON, "Idempotency-Key": "a-key"}):
        assert_refused(client.post(f"/api/sessions/{session_id}/spin", content=body, headers=headers), status)
    assert client.get(f"/api/sessions/{session_id}").json()["version"] == 0


@pytest.mark.parametrize(
    "token_id", ["-1", "390", "1000000", "2147483648", "9223372036854775808", "-1" + "0" * 30, "1" + "0" * 400]
)
def test_a_token_outside_the_vocabulary_is_400(client: TestClient, token_id: str) -> None:
    """Negative, just too large, and beyond any machine's integers."""
    session_id = start_session(client)["session_id"]
    answer = client.post(f"/api/sessions/{session_id}/append-token", content=f'{{"token_id": {token_id}}}', headers=JSON)
    assert_refused(answer, 400)
    assert answer.json()["code"] == "token_id_out_of_range"


@pytest.mark.parametrize("token_id", ["true", "1.0", '"1"', "[1]", "{}"])
def test_a_token_id_is_an_integer(client: TestClient, token_id: str) -> None:
    """Nothing is taken for one that is none."""
    session_id = start_session(client)["session_id"]
    assert_refused(
        client.post(f"/api/sessions/{session_id}/append-token", content=f'{{"token_id": {token_id}}}', headers=JSON), 422
    )


def sent_everywhere(client: TestClient, text: str) -> list[Any]:
    """The answers of the four routes that take a text."""
    session_id = start_session(client)["session_id"]
    requests: dict[str, object] = {
        "/api/sessions": {"prompt": text},
        f"/api/sessions/{session_id}/set-prompt": {"prompt": text},
        "/api/wheel": {"prompts": ["a", text]},
        "/api/score": {"text": text},
    }
    return [client.post(path, json=body) for path, body in requests.items()]


def test_a_long_prompt_is_422(client: TestClient) -> None:
    """The limit is named, everywhere a text comes in."""
    for answer in sent_everywhere(client, MARKER + "a" * 2001):
        assert_refused(answer, 422)
        assert "2000" in answer.json()["detail"]


def test_a_text_over_the_context_window_is_400(client: TestClient) -> None:
    """The window is named, everywhere a text comes in."""
    for answer in sent_everywhere(client, MARKER + " fox" * 70):
        assert_refused(answer, 400)
        assert (answer.json()["code"], "64" in answer.json()["detail"]) == ("context_window_exceeded", True)


@pytest.mark.parametrize(
    ("path", "limit"), [("/api/sessions", BODY_LIMIT), ("/api/score", BODY_LIMIT), ("/api/wheel", 256 * 1024)]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_is_413(client: TestClient, path: str, limit: int, chunked: bool) -> None:
    """Whether its length is told or not; one byte less is read."""

    def sent(size: int) -> object:
        body = b'{"x": "' + b"a" * (size - 9) + b'"}'
        pieces = iter([body[:1000], body[1000:]])
        return client.post(path, content=pieces if chunked else body, headers=JSON)

    assert_refused(sent(limit + 1), 413)
    assert sent(limit).status_code in {201, 422}  # type: ignore[attr-defined]


def test_a_long_body_to_nowhere_is_refused_too(client: TestClient) -> None:
    """A route that reads no body does not let one in."""
    assert_refused(client.post("/nope", content=b"a" * (BODY_LIMIT + 1)), 413)
    assert_refused(client.request("GET", f"/api/sessions/{UNKNOWN_ID}", content=b"a" * (BODY_LIMIT + 1)), 413)


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/xml", "text/foo+json", "application/", MARKER, "json"],
)
def test_a_body_of_another_type_is_415(client: TestClient, content_type: str | None) -> None:
    """Only JSON is read."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert_refused(client.post("/api/sessions", content=b"{}", headers=headers), 415)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"]
)
def test_every_spelling_of_json_is_taken(client: TestClient, content_type: str) -> None:
    """With parameters, in capitals, and as a suffix."""
    assert client.post("/api/sessions", content=b"{}", headers={"Content-Type": content_type}).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "a", "prompts": ["a"]},
        {"prompts": []},
        {"prompts": [""]},
        {"prompts": "a"},
        {"prompts": [1]},
        {"prompts": ["a"] * 65},
    ],
)
def test_a_batch_is_one_or_a_few_prompts(client: TestClient, body: dict[str, object]) -> None:
    """One of both fields, none empty, at most 64."""
    assert_refused(client.post("/api/wheel", json=body), 422)


def test_the_largest_batch_stays_under_a_megabyte(client: TestClient) -> None:
    """Threshold 0 answers any number of prompts: many wheels have fewer slices, and Other holds what is cut."""
    for count, slices in ((1, 128), (15, 128), (20, 100), (64, 31)):
        prompts = [f"fox {number}" for number in range(count)]
        answer = client.post("/api/wheel", json={"prompts": prompts, "settings": {"threshold": 0, "temperature": 100}})
        assert answer.status_code == 200, answer.text
        assert len(answer.content) <= 1_000_000
        assert [len(wheel["slices"]) for wheel in answer.json()["wheels"]] == [slices + 1] * count
        assert all(wheel["other_category"]["token_count"] == 390 - slices for wheel in answer.json()["wheels"])


def test_a_batch_that_is_still_too_long_is_refused_early(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of Other can still be too much: 422 names what to lower, and no wheel is made beyond the first that is over."""
    made = []

    def counted(*arguments: Any, **options: Any) -> Wheel:
        made.append(arguments)
        return make_wheel(*arguments, **options)

    monkeypatch.setattr("handler.wheel.batch.make_wheel", counted)
    answer = client.post("/api/wheel", json={"prompts": ["fox"] * 64, "settings": {"threshold": 0, "other_top_k": 100}})
    assert_refused(answer, 422)
    assert answer.json()["code"] == "answer_too_long"
    assert "other_top_k" in answer.json()["detail"]
    assert 0 < len(made) < 64


def test_a_wheel_of_every_token_is_bounded(client: TestClient) -> None:
    """Threshold 0 shows at most 128 tokens; the rest goes into Other."""
    session_id = start_session(client)["session_id"]
    body = client.get(f"/api/sessions/{session_id}/next-token-probs", params={"threshold": 0, "other_top_k": 100})
    assert len(body.json()["above_threshold_tokens"]) == 128
    assert len(body.content) < 200_000


def test_unknown_fields_of_the_published_contract_are_ignored(client: TestClient) -> None:
    """Clients of other versions of it send more than is known here."""
    assert client.post("/api/sessions", json={"model_name": "tiny", MARKER: MARKER}).status_code == 201
    path = f"/api/sessions/{start_session(client)['session_id']}"
    assert client.post(f"{path}/append-token", json={"token_id": 1, MARKER: MARKER}).status_code == 200
    assert client.post(f"{path}/set-prompt", json={"prompt": "a", MARKER: MARKER}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/sessions/{}/spin", {"temprature": MARKER}, "temprature"),
        ("/api/sessions/{}/fork", {"at_trun": MARKER}, "at_trun"),
        ("/api/sessions", {"prompt": "a", "settings": {"topk": MARKER}}, "settings.topk"),
        ("/api/wheel", {"prompt": "a", "threshold": MARKER}, "threshold"),
        ("/api/wheel", {"prompt": "a", "settings": {"topp": MARKER}}, "settings.topp"),
        ("/api/score", {"text": "a", "model": MARKER}, "model"),
    ],
)
def test_a_misspelt_setting_is_named(client: TestClient, path: str, body: dict[str, object], field: str) -> None:
    """A wheel with other settings than those that were meant is worse than none."""
    session_id = start_session(client)["session_id"]
    answer = client.post(path.format(session_id), json=body)
    assert_refused(answer, 422)
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]
    assert client.get(f"/api/sessions/{session_id}").json()["version"] == 0


def test_a_refusal_is_short(client: TestClient) -> None:
    """However many fields of a body are wrong."""
    answer = client.post("/api/wheel", json={"prompts": [1] * 50_000})
    assert_refused(answer, 422)
    assert len(answer.content) < 5_000
