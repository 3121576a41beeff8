"""What comes of a training run over HTTP: a report that is consistent, files that can be verified, a model like any other."""

import csv
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.wiring import Application
from tests.api_client import client_of, error_code, start_session
from tests.finished_runs import ONE_OF_EACH, finished_run
from tests.judging_models import judging_application

RUNS = "/api/constitution/runs"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application round a model that can judge."""
    return judging_application(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def client(application: Application) -> Iterator[TestClient]:
    """A client of it."""
    with client_of(application) as client:
        yield client


@pytest.fixture(scope="module")
def run(client: TestClient, application: Application) -> dict[str, Any]:
    """A run that has succeeded."""
    found: dict[str, Any] = client.get(f"{RUNS}/{finished_run(client, application)}").json()
    return found


@pytest.fixture(scope="module")
def report(client: TestClient, run: dict[str, Any]) -> dict[str, Any]:
    """Its report."""
    found: dict[str, Any] = client.get(f"{RUNS}/{run['run_id']}/report").json()
    return found


def test_a_finished_run_says_so(run: dict[str, Any]) -> None:
    """All steps are done, and the curve has each once."""
    assert (run["status"], run["activity"], run["attempts"], run["problem"]) == ("succeeded", "done", 1, None)
    assert [point["step"] for point in run["curve"]] == list(range(1, run["steps"] + 1))
    phases = [point["phase"] for point in run["curve"]]
    assert phases == sorted(phases, reverse=True)
    assert all((point["margin"] is None) == (point["phase"] == "sft") for point in run["curve"])


def test_every_figure_has_its_interval_and_judge(report: dict[str, Any]) -> None:
    """Of each principle by both judges, each estimate within its interval, the difference that of after and before."""
    violations = report["impact"]["violations"]
    principles = [prompt.principle for prompt in ONE_OF_EACH]
    assert {(one["principle"], one["judge"]) for one in violations} == {(p, j) for p in principles for j in ("rules", "model")}
    changes = [one["rate"] for one in violations] + [report["impact"][name] for name in ("alignment", "perplexity")]
    for change in changes:
        assert all(one["low"] <= one["value"] <= one["high"] for one in change.values())
        assert change["difference"]["value"] == pytest.approx(change["after"]["value"] - change["before"]["value"])
    assert report["judges"].keys() == set(principles)


def test_the_table_says_what_the_report_says(client: TestClient, run: dict[str, Any], report: dict[str, Any]) -> None:
    """A row for each estimate, with the report's numbers."""
    answer = client.get(f"{RUNS}/{run['run_id']}/report?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    shown = {(row["measure"], row["principle"], row["judge"], row["when"]): float(row["value"]) for row in rows}
    for one in report["impact"]["violations"]:
        for when, estimate in one["rate"].items():
            assert shown["violation_rate", one["principle"], one["judge"], when] == estimate["value"]
    assert shown["neutral_perplexity", "", "log-probability", "after"] == report["impact"]["perplexity"]["after"]["value"]
    assert all(row["judge"] for row in rows)


def test_files_are_what_their_list_says(client: TestClient, run: dict[str, Any]) -> None:
    """Each can be downloaded, with the size and hash that are told; other names lead nowhere."""
    path = f"{RUNS}/{run['run_id']}/files"
    files = client.get(path).json()["files"]
    assert {file["name"] for file in files} >= {"model.safetensors", "training.json", "impact.json", "pairs.jsonl"}
    for file in files:
        content = client.get(f"{path}/{file['name']}").content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    for name in ("lab.sqlite3", "..%2Fmanifest.json", ".manifest"):
        assert client.get(f"{path}/{name}").status_code == 404


def test_the_tuned_model_is_a_model(client: TestClient, run: dict[str, Any]) -> None:
    """It is listed, makes wheels, begins sessions, and lies at some distance from its base, which judges it."""
    name = run["model_name"]
    assert name in [model["id"] for model in client.get("/api/models").json()["models"]]
    wheels = [
        client.post("/api/wheel", json={"prompt": "The fox", "model_name": one}).json()["wheels"][0] for one in ("tiny", name)
    ]
    assert wheels[0]["slices"] != wheels[1]["slices"]
    assert start_session(client, model_name=name)["model_name"] == name
    found = client.post("/api/constitution/compare", json={"prompt": "The fox", "after": name, "seed": 3}).json()
    assert (found["before"], found["after"]) == ("tiny", name)
    assert found["kl"] > 0
    assert error_code(client.post("/api/constitution/evaluate", json={"text": "a", "judge_model": name}), 400) == "no_probe"
    assert error_code(client.post(RUNS, json={"base": name}), 400) == "no_probe"


def test_removed_it_is_no_model(client: TestClient, application: Application) -> None:
    """Its name leaves the list, and no new session begins with it."""
    run_id = finished_run(client, application)
    name = client.get(f"{RUNS}/{run_id}").json()["model_name"]
    assert start_session(client, model_name=name)["model_name"] == name
    assert client.delete(f"{RUNS}/{run_id}").status_code == 200
    assert name not in [model["id"] for model in client.get("/api/models").json()["models"]]
    assert error_code(client.post("/api/sessions", json={"model_name": name}), 400) == "model_not_found"
