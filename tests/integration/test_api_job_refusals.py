"""No job is made of what cannot be done, and no refusal repeats it."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.stores.sqlite_jobs import SqliteJobStore
from handler.wheel.errors import StoreUnavailableError
from handler.wiring import Application
from tests.api_client import UNKNOWN_ID, client_of, error_code, make_application
from tests.job_client import WHEEL, delivered, done, hand_in, look

MARKER = "zebra-in-the-input"
JSON = {"Content-Type": "application/json"}
OUTPUT = "s3://school/results/"


def one(**fields: Any) -> dict[str, Any]:
    """The body of a job whose second request has these fields."""
    return {"requests": [WHEEL, {"prompt": MARKER, **fields}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"requests": []}, "requests"),
        ({"requests": MARKER}, "requests"),
        ({"requests": [MARKER]}, "requests.0"),
        ({"requests": [{}]}, "requests.0.prompt"),
        ({"requests": [{"prompt": ""}]}, "requests.0.prompt"),
        ({"requests": [WHEEL], "name": ""}, "name"),
        ({"requests": [WHEEL], "name": MARKER * 6}, "name"),
        ({"requests": [WHEEL], "name": f"{MARKER}\n"}, "name"),
        ({"requests": [WHEEL], "name": f"\x1b[2J{MARKER}"}, "name"),
        ({"requests": [WHEEL], "name": f"{MARKER}\x9b"}, "name"),
        ({"requests": [WHEEL], "model": MARKER}, "model"),
        (one(max_new_tokens=0), "requests.1.max_new_tokens"),
        (one(max_new_tokens=513), "requests.1.max_new_tokens"),
        (one(max_new_tokens=1.5), "requests.1.max_new_tokens"),
        (one(max_new_tokens=True), "requests.1.max_new_tokens"),
        (one(max_new_tokens=10**400), "requests.1.max_new_tokens"),
        (one(max_new_tokens=5, n=0), "requests.1.n"),
        (one(max_new_tokens=5, n=17), "requests.1.n"),
        (one(max_new_tokens=512, n=3), "requests.1"),
        (one(n=2), "requests.1"),
        (one(seed=MARKER), "requests.1"),
        (one(max_new_tokens=5, seed=""), "requests.1.seed"),
        (one(max_new_tokens=5, seed=MARKER * 6), "requests.1.seed"),
        (one(settings={"topk": MARKER}), "requests.1.settings.topk"),
        (one(settings={"temperature": MARKER}), "requests.1.settings.temperature"),
        (one(promt=MARKER), "requests.1.promt"),
        ({}, "body"),
        ({"requests": [WHEEL], "input": f"s3://school/{MARKER}", "output": OUTPUT}, "body"),
        ({"input": f"s3://school/{MARKER}"}, "body"),
        ({"requests": [WHEEL], "output": OUTPUT}, "body"),
        ({"input": MARKER, "output": OUTPUT}, "input"),
        ({"input": f"file:///{MARKER}", "output": OUTPUT}, "input"),
        ({"input": f"s3://school/{MARKER}/", "output": OUTPUT}, "input"),
        ({"input": f"s3://school/{MARKER * 70}", "output": OUTPUT}, "input"),
        ({"input": f"s3://school/{MARKER}", "output": OUTPUT[:-1]}, "output"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_body_that_does_not_fit_is_422(client: TestClient, application: Application, body: object, field: str) -> None:
    """The field is named, nothing of what was sent is repeated, nothing is queued."""
    answer = client.post("/api/jobs", json=body)
    assert error_code(answer, 422) == "validation_error"
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]
    assert MARKER not in answer.text
    assert not delivered(application)


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        ({"prompt": " \n\t"}, "white space"),
        ({"prompt": MARKER + "a" * 2001}, "2000"),
        ({"prompt": MARKER + " fox" * 70}, "64"),
        ({"prompt": MARKER, "settings": {"temperature": 0}}, "temperature"),
        ({"prompt": MARKER, "settings": {"top_k": 10**30}, "max_new_tokens": 3}, "top_k"),
    ],
)
def test_a_request_that_cannot_be_run_is_400(
    client: TestClient, application: Application, request_: dict[str, object], limit: str
) -> None:
    """The whole job is refused, the request named by its path, with what is wrong with it."""
    answer = client.post("/api/jobs", json={"requests": [WHEEL, WHEEL, request_, WHEEL]})
    assert error_code(answer, 400) == "request_refused"
    [problem] = answer.json()["errors"]
    assert problem["field"] == "requests.2"
    assert limit in problem["message"]
    assert MARKER not in answer.text
    assert not delivered(application)


@pytest.mark.parametrize(("bad", "named"), [([7, 999], [7, 999]), (range(5, 900, 3), range(5, 65, 3))])
def test_all_bad_requests_are_named(client: TestClient, application: Application, bad: list[int], named: list[int]) -> None:
    """The first twenty, in order, and the number is told; wherever one stands, the job is refused."""
    requests = [{"prompt": " "} if number in bad else {"prompt": "a"} for number in range(1000)]
    answer = client.post("/api/jobs", json={"requests": requests})
    assert error_code(answer, 400) == "request_refused"
    assert [problem["field"] for problem in answer.json()["errors"]] == [f"requests.{number}" for number in named]
    assert "20" in answer.json()["detail"]
    assert not delivered(application)


@pytest.mark.parametrize("seed", ["", "a" * 101, True, 1.5, 10**100, [], {}])
def test_a_wrong_seed_is_told_what_a_seed_is(client: TestClient, seed: object) -> None:
    """Whatever is wrong with it, on every route that takes one."""
    answer = client.post("/api/jobs", json={"requests": [{**WHEEL, "max_new_tokens": 1, "seed": seed}]})
    spun = client.post(f"/api/sessions/{UNKNOWN_ID}/spin", json={"seed": seed})
    problems = [problem for one in (answer, spun) for problem in one.json()["errors"]]
    assert [problem["field"] for problem in problems] == ["requests.0.seed", "seed"]
    assert all(problem["message"].startswith("a seed is a text of 1 to 100 characters, or an integer") for problem in problems)


@pytest.mark.parametrize("seed", ["a", "a" * 100, 0, -7, 10**99])
def test_a_seed_is_a_text_or_an_integer(client: TestClient, application: Application, seed: str | int) -> None:
    """Up to its limits; what was drawn by it tells it as text."""
    job_id = done(client, application, {**WHEEL, "max_new_tokens": 1, "seed": seed})
    assert look(client, job_id)["results"][0]["completions"][0]["seed"] == str(seed)


@pytest.mark.parametrize("name", ["Grüße, 7b 🦊", "👩‍🏫 two words", "a"])
def test_a_name_may_hold_any_letters(client: TestClient, application: Application, name: str) -> None:
    """Only control characters are none."""
    assert look(client, done(client, application, WHEEL, name=name))["name"] == name


def test_a_job_has_a_thousand_requests_at_most(client: TestClient, application: Application) -> None:
    """One more is 422, with the field and the limit."""
    answer = client.post("/api/jobs", json={"requests": [WHEEL] * 1001})
    assert error_code(answer, 422) == "too_many_job_requests"
    assert answer.json()["detail"] == "requests: a job may hold at most 1000 requests"
    assert not delivered(application)
    hand_in(client, *[{"prompt": "a"}] * 1000)
    assert len(delivered(application)) == 1000


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"requests": [{"prompt": "a", "settings": {"temperature": NaN}}]}', b'{"requests": "\\ud800"}', b"{"]
)
def test_what_is_no_job_is_422(client: TestClient, body: bytes) -> None:
    """Not JSON, or not the JSON of a job."""
    assert error_code(client.post("/api/jobs", content=body, headers=JSON), 422) in {"malformed_json", "validation_error"}


def test_an_unknown_model_is_400(client: TestClient) -> None:
    """And is not repeated."""
    answer = client.post("/api/jobs", json={"requests": [WHEEL], "model_name": MARKER})
    assert error_code(answer, 400) == "model_not_found"
    assert MARKER not in answer.text


def test_a_long_body_is_413(client: TestClient) -> None:
    """Jobs may have 256 KB; one byte less is read."""
    limit = 256 * 1024
    body = b'{"x": "' + b"a" * (limit - 9) + b'"}'
    assert len(body) == limit
    assert error_code(client.post("/api/jobs", content=body, headers=JSON), 422) == "validation_error"
    assert error_code(client.post("/api/jobs", content=body + b" ", headers=JSON), 413) == "body_too_long"


def test_a_file_without_a_place_for_files_is_refused(client: TestClient) -> None:
    """A server that was given no folder of S3 reads and writes none, and says so."""
    answer = client.post("/api/jobs", json={"input": f"s3://school/{MARKER}", "output": OUTPUT})
    assert error_code(answer, 400) == "files_not_taken"
    assert "takes no files" in answer.json()["detail"]
    assert MARKER not in answer.text


@pytest.mark.parametrize(
    "query", ["after=-2", "after=1000000", f"after={MARKER}", f"after={10**30}", "limit=-1", "limit=1001", f"limit={MARKER}"]
)
def test_a_page_has_limits(client: TestClient, query: str) -> None:
    """Named, for pages and for downloads."""
    path, field = f"/api/jobs/{hand_in(client, WHEEL)}", query.split("=", maxsplit=1)[0]
    answers = [client.get(f"{path}?{query}")] + ([client.get(f"{path}/results?{query}")] if field == "after" else [])
    for answer in answers:
        assert error_code(answer, 422) == "validation_error"
        assert [problem["field"] for problem in answer.json()["errors"]] == [field]
        assert MARKER not in answer.text


@pytest.mark.parametrize(("rest", "method"), [("/results?format=xml", "GET"), (f"?forget={MARKER}", "DELETE")])
def test_an_odd_choice_is_422(client: TestClient, rest: str, method: str) -> None:
    """A format that there is not, a flag that is none."""
    answer = client.request(method, f"/api/jobs/{hand_in(client, WHEEL)}{rest}")
    assert error_code(answer, 422) == "validation_error"
    assert MARKER not in answer.text


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("DELETE", "?forget=true"), ("GET", "/results")])
@pytest.mark.parametrize("job_id", [UNKNOWN_ID, "not-a-uuid", "1", "%00", "é", UNKNOWN_ID.replace("-", "")])
def test_an_unknown_job_is_404(client: TestClient, method: str, rest: str, job_id: str) -> None:
    """What no job can be called is as unknown as a job that is not there."""
    assert error_code(client.request(method, f"/api/jobs/{job_id}{rest}"), 404) == "job_not_found"


def test_a_missing_store_is_503(tmp_path: Path) -> None:
    """Whoever meets it is told when to come again."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with client_of(make_application(blocked)) as client:
        path = f"/api/jobs/{UNKNOWN_ID}"
        for answer in (
            client.post("/api/jobs", json={"requests": [WHEEL]}),
            client.get(path),
            client.get(f"{path}/results"),
            client.delete(path),
            client.delete(f"{path}?forget=true"),
        ):
            assert error_code(answer, 503) == "store_unavailable"
            assert int(answer.headers["retry-after"]) > 0


def test_readiness_looks_at_the_jobs_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that can keep no jobs is not ready."""
    assert client.get("/ready").status_code == 200
    monkeypatch.setattr(SqliteJobStore, "check", lambda _: (_ for _ in ()).throw(StoreUnavailableError))
    assert error_code(client.get("/ready"), 503) == "store_unavailable"
