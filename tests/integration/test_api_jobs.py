"""Jobs over HTTP: handed in once, done as single calls would be, counted, cancelled, forgotten."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from starlette.testclient import TestClient

from handler.stores.sqlite_jobs import SqliteJobStore
from handler.wiring import Application
from tests.api_client import client_of, error_code, is_utc, make_application, spin, start_session
from tests.job_client import COMPLETION, WHEEL, delivered, done, give_up, hand_in, look, steps_of, work_off
from tests.memory_objects import LOCATION, MemoryObjects

KEY = {"Idempotency-Key": "a-key-no-one-else-has"}
SECRET = "zebra in the prompt"


@pytest.fixture
def _kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are kept after each forward pass, however fast it was."""
    monkeypatch.setattr("handler.jobs.worker.KEEP_EVERY_S", -1)


def test_a_job_is_accepted(client: TestClient) -> None:
    """202 with where to look; there the job waits as it was handed in."""
    answer = client.post("/api/jobs", json={"requests": [WHEEL, COMPLETION], "name": "beginnings"})
    head = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/jobs/{head['job_id']}"
    assert (head["name"], head["model_name"], head["state"], head["progress"]) == ("beginnings", "tiny", "queued", 0)
    assert head["counts"] == {"total": 2, "done": 0, "failed": 0, "waiting": 2}
    assert is_utc(head["created_at"])
    lifetime = datetime.fromisoformat(head["expires_at"]) - datetime.fromisoformat(head["created_at"])
    assert timedelta(days=1, seconds=-1) <= lifetime <= timedelta(days=1)
    assert client.get(answer.headers["location"]).json() == {**head, "next_after": None, "results": []}


def test_a_wheel_of_a_job_is_the_wheel_of_a_single_call(client: TestClient, application: Application) -> None:
    """Whatever stands beside it in the job, with the same settings and precision."""
    settings = {"temperature": 0.8, "threshold": 0.02, "top_k": 100}
    prompts = ["Once", "The fox said to the raven:", "I see the sea"]
    job_id = done(client, application, COMPLETION, *({"prompt": prompt, "settings": settings} for prompt in prompts))
    for prompt, result in zip(prompts, look(client, job_id)["results"][1:], strict=True):
        single = client.post("/api/wheel", json={"prompt": prompt, "settings": settings}).json()["wheels"][0]
        assert (result["kind"], result["prompt"]) == ("wheel", prompt)
        assert result["wheel"].keys() == single.keys()
        assert result["wheel"]["settings"] == single["settings"]
        assert result["wheel"]["precision"] == single["precision"]
        for piece, other in zip(result["wheel"]["slices"], single["slices"], strict=True):
            assert (piece["token"] or {}).get("token_id") == (other["token"] or {}).get("token_id")
            assert piece["probability"] == pytest.approx(other["probability"], rel=1e-4)


def test_a_completion_of_a_job_is_a_session_spun_by_its_seed(client: TestClient, application: Application) -> None:
    """Token by token, with each token's probability; a seed that was drawn is told."""
    settings = {"temperature": 1.3, "top_k": 60}
    own = {**COMPLETION, "settings": settings, "seed": "class 7b"}
    job_id = done(client, application, own, {**COMPLETION, "settings": settings}, WHEEL)
    completions = [one for result in look(client, job_id)["results"][:2] for one in result["completions"]]
    assert len({one["seed"] for one in completions}) == 4
    assert completions[0]["seed"] == "class 7b"
    for completion in completions:
        session = start_session(client, COMPLETION["prompt"], settings=settings)
        assert completion["tokens"]
        for token in completion["tokens"]:
            spun = spin(client, session["session_id"], seed=completion["seed"])
            assert spun["appended_token"]["token_id"] == token["token_id"]
            assert spun["appended_token"]["probability"] == pytest.approx(token["probability"], rel=1e-4)
        if completion["finish_reason"] == "length":
            assert spun["current_text"] == COMPLETION["prompt"] + completion["text"]


def test_a_key_makes_one_job(client: TestClient, application: Application) -> None:
    """The same answer to the byte, before the job is done and after; each request queued and counted once."""
    work_off(application)
    body = {"requests": [WHEEL, COMPLETION], "name": "once"}
    first = client.post("/api/jobs", json=body, headers=KEY)
    again = client.post("/api/jobs", json=body, headers=KEY)
    deliveries = delivered(application)
    assert sorted(str(delivery.message) for delivery in deliveries) == sorted({str(one.message) for one in deliveries})
    assert len(deliveries) == 2
    work_off(application, deliveries)
    job_id = first.json()["job_id"]
    assert look(client, job_id)["counts"] == {"total": 2, "done": 2, "failed": 0, "waiting": 0}
    last = client.post("/api/jobs", json=body, headers=KEY)
    assert first.status_code == again.status_code == last.status_code == 202
    assert first.content == again.content == last.content
    assert first.headers["location"] == last.headers["location"]
    assert not delivered(application)


def test_a_key_stands_for_one_request(client: TestClient) -> None:
    """Another body is 422 and makes no job; another key is another job; a short key is refused."""
    headers = {"Idempotency-Key": "a-second-key-no-one-has"}
    first = client.post("/api/jobs", json={"requests": [WHEEL]}, headers=headers)
    other = client.post("/api/jobs", json={"requests": [WHEEL, WHEEL]}, headers=headers)
    assert error_code(other, 422) == "idempotency_key_reused"
    assert look(client, first.json()["job_id"])["counts"]["total"] == 1
    assert client.delete(first.headers["location"]).json()["state"] == "cancelled"
    assert client.post("/api/jobs", json={"requests": [WHEEL]}, headers=headers).content == first.content
    assert hand_in(client, WHEEL) != hand_in(client, WHEEL)
    short = client.post("/api/jobs", json={"requests": [WHEEL]}, headers={"Idempotency-Key": "k" * 15})
    assert [problem["field"] for problem in short.json()["errors"]] == ["Idempotency-Key"]


@pytest.mark.usefixtures("_kept_at_once")
def test_every_request_is_counted(client: TestClient, application: Application) -> None:
    """At each step total = done + failed + waiting, progress is the share of both and never falls, each result counts once."""
    lengths = [1, 9, 3, 5, 7, 2]
    job_id = hand_in(client, *({"prompt": "The king", "max_new_tokens": length, "seed": 1} for length in lengths))
    seen, states = [0.0], set()
    for _ in steps_of(application):
        body = look(client, job_id)
        counts = body["counts"]
        assert counts["total"] == len(lengths) == counts["done"] + counts["failed"] + counts["waiting"]
        assert body["progress"] == (counts["done"] + counts["failed"]) / len(lengths) >= seen[-1]
        assert [result["index"] for result in body["results"]] == sorted({result["index"] for result in body["results"]})
        assert len(body["results"]) == counts["done"] + counts["failed"]
        seen.append(body["progress"])
        states.add(body["state"])
    assert seen[-1] == 1
    assert states >= {"running", "completed"}


def test_what_was_given_up_is_a_result(client: TestClient, application: Application) -> None:
    """A request that failed every time has an error, and the job ends."""
    job_id = hand_in(client, WHEEL, WHEEL)
    give_up(application, job_id, 0)
    work_off(application)
    body = look(client, job_id)
    assert (body["state"], body["counts"]) == ("completed", {"total": 2, "done": 1, "failed": 1, "waiting": 0})
    assert [result["kind"] for result in body["results"]] == ["error", "wheel"]
    assert body["results"][0]["error"]["code"] == "given_up"


@pytest.mark.usefixtures("_kept_at_once")
def test_a_cancelled_job_stays_as_it_is(client: TestClient, application: Application) -> None:
    """Its results are kept, and no later one is, though the worker goes on; to cancel twice is to cancel once."""
    job_id = hand_in(client, *({"prompt": "The king", "max_new_tokens": length, "seed": 1} for length in (1, 2, 8, 9)))
    steps = steps_of(application)
    while look(client, job_id)["state"] != "running":
        next(steps)
    head = client.delete(f"/api/jobs/{job_id}").json()
    before = look(client, job_id)
    assert 0 < before["counts"]["done"] < 4
    assert (head["state"], before) == ("cancelled", {**head, "next_after": None, "results": before["results"]})
    list(steps)
    assert look(client, job_id) == before
    assert client.delete(f"/api/jobs/{job_id}").json() == head


def test_a_completed_job_stays_completed(client: TestClient, application: Application) -> None:
    """To cancel it changes nothing."""
    job_id = done(client, application, WHEEL)
    before = look(client, job_id)
    assert client.delete(f"/api/jobs/{job_id}").json()["state"] == "completed"
    assert look(client, job_id) == before


@pytest.mark.parametrize("worked", [False, True])
def test_a_forgotten_job_leaves_no_text(tmp_path: Path, worked: bool) -> None:
    """Neither its prompts nor its name nor its results lie in any file, and nobody finds it; its messages do no harm."""
    application = make_application(tmp_path)

    def holds_text() -> bool:
        cast(SqliteJobStore, application.desk.store).close()  # which moves the journal into the file
        return any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())

    with client_of(application) as client:
        requests = [{"prompt": SECRET}, {**COMPLETION, "prompt": SECRET}]
        make = done if worked else lambda client, _, *requests, **fields: hand_in(client, *requests, **fields)
        job_id = make(client, application, *requests, name=SECRET)
        assert holds_text()
        answer = client.delete(f"/api/jobs/{job_id}", params={"forget": True})
        assert (answer.status_code, answer.json()["job_id"]) == (200, job_id)
        work_off(application)
        assert not holds_text()
        assert not delivered(application)
        for method, path in (("GET", ""), ("GET", "/results"), ("DELETE", ""), ("DELETE", "?forget=true")):
            assert error_code(client.request(method, f"/api/jobs/{job_id}{path}"), 404) == "job_not_found"


def test_an_id_has_two_spellings(client: TestClient) -> None:
    """Capitals name the same job."""
    job_id = hand_in(client, WHEEL)
    assert look(client, job_id.upper()) == look(client, job_id)


def test_a_job_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its requests are counted when its file is divided; its results lie in S3, which is where a download sends people."""
    source, output = f"{LOCATION}prompts.jsonl", f"{LOCATION}results/"
    objects = MemoryObjects({source: b'{"prompt": "Once"}\n{"prompt": ""}\n'})
    monkeypatch.setattr("handler.wiring._objects", lambda _: objects)
    application = make_application(tmp_path)
    with client_of(application) as client:
        first = client.post("/api/jobs", json={"input": source, "output": output}, headers=KEY)
        head = first.json()
        assert (first.status_code, head["input"], head["output"], head["state"]) == (202, source, output, "queued")
        assert (head["counts"], head["progress"]) == ({"total": None, "done": 0, "failed": 0, "waiting": None}, None)
        work_off(application)
        body = look(client, head["job_id"])
        assert (body["state"], body["progress"]) == ("completed", 1)
        assert body["counts"] == {"total": 2, "done": 1, "failed": 1, "waiting": 0}
        assert (body["results"], body["next_after"]) == ([], None)
        assert body["folder"].startswith(output)
        assert b'"kind":"wheel"' in objects.files[f"{body['folder']}part-000000.jsonl"]
        download = client.get(f"/api/jobs/{head['job_id']}/results")
        assert error_code(download, 400) == "results_elsewhere"
        assert "folder" in download.json()["detail"]


def test_a_key_outlives_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request by the same key has the same answer though its file was moved meanwhile; any other is refused."""
    source, output = f"{LOCATION}prompts.jsonl", f"{LOCATION}results/"
    objects = MemoryObjects({source: b'{"prompt": "Once"}'})
    monkeypatch.setattr("handler.wiring._objects", lambda _: objects)
    body = {"input": source, "output": output}
    with client_of(make_application(tmp_path)) as client:
        first = client.post("/api/jobs", json=body, headers=KEY)
        objects.files.clear()
        assert client.post("/api/jobs", json=body, headers=KEY).content == first.content
        other = client.post("/api/jobs", json={**body, "name": "other"}, headers=KEY)
        assert error_code(other, 422) == "idempotency_key_reused"
        without = client.post("/api/jobs", json=body)
        assert error_code(without, 400) == "source_not_found"
        assert without.json()["detail"].startswith("input ")


def test_links_stand_under_the_base_path(tmp_path: Path) -> None:
    """Location is where the caller finds the job."""
    with client_of(make_application(tmp_path, base_path="/wheel")) as client:
        location = client.post("/wheel/api/jobs", json={"requests": [WHEEL]}).headers["location"]
        assert location.startswith("/wheel/api/jobs/")
        assert client.get(location).status_code == 200
