"""What came of a job, in pages and as files: each result once, by index, with its exact numbers."""

import csv
import io
import json
import math
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from handler.api.contracts.jobs import JobView
from handler.api.job_files import ResultFile
from handler.jobs.job import TaskResult
from handler.stores.sqlite_jobs import SqliteJobStore
from handler.wheel.errors import StoreUnavailableError
from handler.wiring import Application
from tests.api_client import client_of, error_code, make_application
from tests.job_client import COMPLETION, WHEEL, delivered, done, give_up, hand_in, look, pages, work_off

FORMULA = "=HYPERLINK(1)"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def job_id(client: TestClient, application: Application) -> str:
    """A completed job of seven wheels and completions, whose fourth request was given up."""
    requests = [WHEEL, COMPLETION, {**WHEEL, "prompt": FORMULA}, WHEEL, {**COMPLETION, "n": 1, "seed": FORMULA}, WHEEL, WHEEL]
    found = hand_in(client, *requests)
    give_up(application, found, 3)
    work_off(application)
    assert look(client, found)["counts"] == {"total": 7, "done": 6, "failed": 1, "waiting": 0}
    return found


def download(client: TestClient, job_id: str, form: str, **query: Any) -> str:
    """The text of a file of results."""
    answer = client.get(f"/api/jobs/{job_id}/results", params={"format": form, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="job-{job_id}.{form}"'
    return answer.content.decode()


def rows_of(text: str) -> dict[str, list[dict[str, str]]]:
    """The rows of a table by the index of their request."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text, newline="")):
        rows[row["index"]].append(row)
    return rows


def with_long_results(application: Application, client: TestClient, count: int, letters: int, letter: str = "a") -> str:
    """A job with results as long as no tiny model makes them."""
    job_id = hand_in(client, *[WHEEL] * count)
    delivered(application)
    bodies = [json.dumps({"index": i, "kind": "error", "prompt": letter * letters, "error": ERROR}) for i in range(count)]
    store = application.desk.store
    store.keep(store.load(job_id), [TaskResult(index, body, done=0, failed=1) for index, body in enumerate(bodies)])
    return job_id


ERROR = {"code": "given_up", "detail": "no more"}


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 1000])
def test_pages_are_the_file(client: TestClient, job_id: str, limit: int) -> None:
    """Pages of any size joined are the lines of the file, each index once; only the last tells that nothing follows."""
    found = pages(client, job_id, limit)
    assert [len(page) for page in found] == [limit] * (7 // limit) + ([7 % limit] if 7 % limit else [])
    lines = download(client, job_id, "jsonl").splitlines()
    assert list(chain(*found)) == [json.loads(line) for line in lines]
    assert [result["index"] for result in chain(*found)] == list(range(7))


def test_an_answer_is_what_its_contract_says(client: TestClient, job_id: str) -> None:
    """Stored results go into it as they are, and it still is the documented JSON."""
    for limit in (0, 1, 1000):
        answer = client.get(f"/api/jobs/{job_id}", params={"limit": limit})
        view = JobView.model_validate_json(answer.content)
        assert view.model_dump_json(exclude_unset=True) == answer.text
        assert len(view.results) == min(limit, 7)


def test_a_look_at_the_state_alone(client: TestClient, job_id: str) -> None:
    """Limit 0 gives no results, and tells whether there are some beyond `after`."""
    assert (look(client, job_id, limit=0)["results"], look(client, job_id, limit=0)["next_after"]) == ([], -1)
    assert look(client, job_id, limit=0, after=5)["next_after"] == 5
    assert look(client, job_id, limit=0, after=6)["next_after"] is None
    assert look(client, job_id, after=999_999)["results"] == []


def test_a_page_has_a_megabyte(client: TestClient, application: Application) -> None:
    """Fewer results than asked for, but always one; the pages still are the whole."""
    long = with_long_results(application, client, 5, 400_000)
    longer = with_long_results(application, client, 3, 1_200_000)
    assert [[result["index"] for result in page] for page in pages(client, long, 1000)] == [[0, 1], [2, 3], [4]]
    assert [[result["index"] for result in page] for page in pages(client, longer, 1000)] == [[0], [1], [2]]


def test_results_of_a_running_job_come_as_they_are(client: TestClient, application: Application) -> None:
    """By index, with gaps; one that comes later behind the reader is there for whoever begins again."""
    job_id = hand_in(client, *[WHEEL] * 4)
    by_index = {cast(Any, delivery.message).index: delivery for delivery in delivered(application)}
    work_off(application, [by_index[3], by_index[1]])
    body = look(client, job_id, limit=1)
    assert (body["state"], [result["index"] for result in body["results"]], body["next_after"]) == ("running", [1], 1)
    assert [json.loads(line)["index"] for line in download(client, job_id, "jsonl").splitlines()] == [1, 3]
    work_off(application, [by_index[0], by_index[2]])
    assert [result["index"] for result in look(client, job_id, after=body["next_after"])["results"]] == [2, 3]
    assert [result["index"] for result in chain(*pages(client, job_id, 1))] == [0, 1, 2, 3]


def test_a_file_is_of_its_type(client: TestClient, job_id: str) -> None:
    """JSON Lines without being asked, or CSV; both UTF-8."""
    assert client.get(f"/api/jobs/{job_id}/results").headers["content-type"] == "application/jsonl"
    assert client.get(f"/api/jobs/{job_id}/results?format=csv").headers["content-type"] == "text/csv; charset=utf-8"


def test_the_table_has_every_number(client: TestClient, job_id: str) -> None:
    """Wheels sum to 1, tokens and numbers are exactly those of the JSON, errors have their row."""
    rows = rows_of(download(client, job_id, "csv"))
    results = {str(result["index"]): result for result in look(client, job_id)["results"]}
    assert rows.keys() == results.keys()
    for index, result in results.items():
        assert {row["kind"] for row in rows[index]} == {result["kind"]}
        if result["kind"] == "wheel":
            assert math.fsum(float(row["probability"]) for row in rows[index]) == pytest.approx(1, abs=1e-12)
            arcs = [(float(row["end_angle"]), row["slice"], row["token_id"]) for row in rows[index]]
            slices = result["wheel"]["slices"]
            assert arcs == [(one["end_angle"], one["kind"], str((one["token"] or {}).get("token_id", ""))) for one in slices]
        elif result["kind"] == "completion":
            tokens = [(i, token) for i, one in enumerate(result["completions"]) for token in one["tokens"]]
            told = [(int(row["completion"]), row["token_bytes_hex"], float(row["log_probability"])) for row in rows[index]]
            assert told == [(i, bytes(token["token_bytes"]).hex(), token["log_probability"]) for i, token in tokens]
        else:
            assert [(row["error_code"], row["token_id"]) for row in rows[index]] == [("given_up", "")]
    assert {"wheel", "completion", "error"} == {result["kind"] for result in results.values()}


def test_a_prompt_stands_in_its_first_row(client: TestClient, job_id: str) -> None:
    """And only there, with its number of tokens; it may hold anything, and begins no formula, nor does a seed."""
    rows = rows_of(download(client, job_id, "csv"))
    assert [row["prompt"] for row in rows["0"]] == [WHEEL["prompt"]] + [""] * (len(rows["0"]) - 1)
    assert int(rows["0"][0]["prompt_token_count"]) == look(client, job_id)["results"][0]["prompt_token_count"]
    assert rows["2"][0]["prompt"] == f"'{FORMULA}"
    assert {row["seed"] for row in rows["4"]} == {f"'{FORMULA}"}


@pytest.mark.parametrize("prompt", ["\ufeffé🦊", 'a "quoted" line,\r\nand another', "-1", "\t+", "a;b"])
def test_any_prompt_survives_both_files(client: TestClient, application: Application, prompt: str) -> None:
    """In JSON as it was, in the table but for the sign that keeps it from being run."""
    job_id = done(client, application, {"prompt": prompt}, {**COMPLETION, "prompt": prompt})
    lines = download(client, job_id, "jsonl").rstrip("\n").split("\n")
    assert [json.loads(line)["prompt"] for line in lines] == [prompt] * 2
    assert rows_of(download(client, job_id, "csv"))["0"][0]["prompt"].removeprefix("'") == prompt


def test_a_completion_without_tokens_has_a_row(client: TestClient, application: Application) -> None:
    """A prompt that fills the context window leaves no room for any."""
    model = application.model()
    prompt = next(text for text in (" fox" * count for count in range(1, 80)) if len(model.encode(text)) == 64)
    job_id = done(client, application, {"prompt": prompt, "max_new_tokens": 3})
    rows = rows_of(download(client, job_id, "csv"))["0"]
    assert [(row["finish_reason"], row["token_id"]) for row in rows] == [("context_window", "")]


@pytest.mark.parametrize(("form", "fourth"), [("jsonl", '{"index":3,'), ("csv", "3,error,")])
def test_a_file_may_begin_later(client: TestClient, job_id: str, form: str, fourth: str) -> None:
    """What begins beyond an index is the rest of the whole, without a header; beyond the last there is nothing."""
    whole = download(client, job_id, form)
    assert download(client, job_id, form, after=2) == whole[whole.index(f"\n{fourth}") + 1 :]
    assert download(client, job_id, form, after=6) == ""


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_lambda_sends_a_file_in_parts(tmp_path: Path, form: str) -> None:
    """Each fits in 6 MB however it is wrapped, and names the next; one after the other they are the whole."""
    application = make_application(tmp_path, aws_lambda_function_memory_size=1769, base_path="/wheel")
    with client_of(application) as on_lambda:
        job_id = with_long_results(application, on_lambda, 9, 900_000)
        path: str | None = f"/wheel/api/jobs/{job_id}/results?format={form}"
        parts = []
        while path is not None:
            answer = on_lambda.get(path)
            parts.append(answer.text)
            path = answer.links.get("next", {}).get("url")
            assert path is None or path.startswith("/wheel/")
    assert [len(part) < 4 * MEGABYTE for part in parts] == [True] * 3
    with client_of(make_application(tmp_path)) as client:
        assert "".join(parts) == download(client, job_id, form)


def test_quotation_marks_count_as_lambda_wraps_them(tmp_path: Path) -> None:
    """An answer leaves Lambda as a text within JSON, where each of them is two and more bytes long."""
    application = make_application(tmp_path, aws_lambda_function_memory_size=1769)
    with client_of(application) as client:
        job_id = with_long_results(application, client, 4, 450_000, '"')
        answer = client.get(f"/api/jobs/{job_id}/results?format=csv")
    assert len(json.dumps(answer.text)) < 4 * MEGABYTE
    assert answer.links["next"]["url"].endswith("after=1")


def test_a_file_is_read_as_it_is_sent(client: TestClient, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long job never lies in memory as a whole: the store is asked for 25 results, and for more when these are gone."""
    job_id = with_long_results(application, client, 60, 10)
    asked = []
    read = SqliteJobStore.results

    def counted(self: SqliteJobStore, job_id: str, *, after: int = -1, limit: int) -> list[TaskResult]:
        asked.append((after, limit))
        return read(self, job_id, after=after, limit=limit)

    monkeypatch.setattr(SqliteJobStore, "results", counted)
    texts = ResultFile(application.desk.store, job_id, "jsonl", -1).texts()
    for _ in range(26):
        next(texts)
    assert asked == [(-1, 25)]
    assert len(list(texts)) == 35
    assert asked[:3] == [(-1, 25), (24, 25), (49, 25)]


@pytest.mark.parametrize("rest", ["", "/results", "/results?format=csv"])
def test_a_store_that_fails_is_told_before_anything_is_sent(
    client: TestClient, job_id: str, monkeypatch: pytest.MonkeyPatch, rest: str
) -> None:
    """503, and no half file."""

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError

    monkeypatch.setattr(SqliteJobStore, "results", fail)
    assert error_code(client.get(f"/api/jobs/{job_id}{rest}"), 503) == "store_unavailable"
