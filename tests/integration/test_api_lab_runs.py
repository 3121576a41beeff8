"""Training runs over HTTP: started once, followed step by step, taken up again, removed for good."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from handler.lab.desk import MOST_WAITING
from handler.lab.errors import LeaseLostError
from handler.lab.run import Advance, Point
from handler.wiring import Application
from tests.api_client import UNKNOWN_ID, client_of, error_code, is_utc, make_client
from tests.contract.session_values import SetClock
from tests.judging_models import judging_application

RUNS = "/api/constitution/runs"
KEY = {"Idempotency-Key": "a-key-no-one-else-has"}
SECRET = "zebrazebra"
CURVE = [Point("sft", 1, 3.5, None), Point("sft", 2, 3.25, None), Point("dpo", 3, 0.69, 0.125)]


@pytest.fixture
def clock() -> SetClock:
    """A clock at noon."""
    return SetClock()


@pytest.fixture
def application(tmp_path: Path, clock: SetClock) -> Application:
    """An application round a model that can judge, without a worker."""
    return judging_application(tmp_path, clock=clock)


@pytest.fixture
def client(application: Application) -> Iterator[TestClient]:
    """A client of it."""
    with client_of(application) as client:
        yield client


def started(client: TestClient, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    """The answer to a new run."""
    answer = client.post(RUNS, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{RUNS}/{answer.json()['run_id']}"
    found: dict[str, Any] = answer.json()
    return found


def look(client: TestClient, run_id: str, **query: Any) -> dict[str, Any]:
    """A run as it is."""
    answer = client.get(f"{RUNS}/{run_id}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def later(clock: SetClock, seconds: float) -> float:
    """A time that far in the future, in seconds of the epoch."""
    return (clock() + timedelta(seconds=seconds)).timestamp()


def test_the_plans_can_be_read(client: TestClient) -> None:
    """Quick Demo and Standard, with what the lab's other pages say of them."""
    plans = {plan["name"]: (plan["prompts"], plan["epochs"]) for plan in client.get("/api/constitution/plans").json()["plans"]}
    assert plans == {"quick_demo": (20, 2), "standard": (50, 5)}


def test_a_run_is_accepted(client: TestClient) -> None:
    """It waits for a worker, and is found where Location says, by its id and in the list."""
    head = started(client, plan="standard")
    assert (head["status"], head["activity"], head["base"], head["plan"]) == ("queued", "waiting", "tiny", "standard")
    assert (head["step"], head["attempts"], head["stalled"]) == (0, 0, False)
    assert is_utc(head["created_at"])
    assert look(client, head["run_id"]) == {**head, "curve": []}
    assert client.get(RUNS).json() == {"runs": [head]}


def test_a_key_starts_one_run(client: TestClient) -> None:
    """Sent again, the same run; with another body, 422; without a key, another run."""
    first = started(client, KEY, plan="quick_demo")
    assert started(client, KEY, plan="quick_demo") == first
    assert error_code(client.post(RUNS, json={"plan": "standard"}, headers=KEY), 422) == "idempotency_key_reused"
    assert started(client, plan="quick_demo")["run_id"] != first["run_id"]
    assert len(client.get(RUNS).json()["runs"]) == 2


def test_a_run_is_followed_by_its_steps(client: TestClient, application: Application, clock: SetClock) -> None:
    """What the worker tells is there, the curve beyond the step that is asked for."""
    run_id = started(client)["run_id"]
    leased = application.lab.store.lease(run_id, until_epoch_s=later(clock, 60))
    assert leased is not None
    told = Advance(activity="training", step=3, steps=8, eta_s=12.5, points=CURVE)
    application.lab.store.advance(run_id, leased.fence, told, until_epoch_s=later(clock, 60))
    seen = look(client, run_id)
    assert (seen["status"], seen["activity"], seen["step"], seen["steps"], seen["eta_s"]) == ("running", "training", 3, 8, 12.5)
    assert [point["step"] for point in seen["curve"]] == [1, 2, 3]
    assert look(client, run_id, after=2)["curve"] == [{"phase": "dpo", "step": 3, "loss": 0.69, "margin": 0.125}]


def test_a_worker_that_is_gone_shows(client: TestClient, application: Application, clock: SetClock) -> None:
    """When its lease has ended the run is stalled, and can be asked to be taken up again."""
    run_id = started(client)["run_id"]
    application.lab.store.lease(run_id, until_epoch_s=later(clock, 60))
    assert not look(client, run_id)["stalled"]
    clock.now += timedelta(seconds=61)
    assert look(client, run_id)["stalled"]
    answer = client.post(f"{RUNS}/{run_id}/resume")
    assert (answer.status_code, answer.json()["run_id"]) == (202, run_id)


def test_a_removed_run_is_gone(client: TestClient, application: Application, clock: SetClock) -> None:
    """404 from then on, and its worker can write no more."""
    run_id = started(client)["run_id"]
    leased = application.lab.store.lease(run_id, until_epoch_s=later(clock, 60))
    assert leased is not None
    assert client.delete(f"{RUNS}/{run_id}").json()["run_id"] == run_id
    assert error_code(client.get(f"{RUNS}/{run_id}"), 404) == "run_not_found"
    assert error_code(client.delete(f"{RUNS}/{run_id}"), 404) == "run_not_found"
    with pytest.raises(LeaseLostError):
        application.lab.store.advance(run_id, leased.fence, Advance(step=1), until_epoch_s=later(clock, 60))


def test_there_is_no_report_before_the_end(client: TestClient) -> None:
    """409 says that the run has no model yet."""
    run_id = started(client)["run_id"]
    for path in ("report", "report?format=csv", "files", "files/model.safetensors"):
        assert error_code(client.get(f"{RUNS}/{run_id}/{path}"), 409) == "run_not_finished"


@pytest.mark.parametrize("run_id", [UNKNOWN_ID, SECRET, UNKNOWN_ID.replace("-", "")])
def test_an_unknown_run_is_404(client: TestClient, run_id: str) -> None:
    """Also where the id could be none, and it is not echoed."""
    calls = [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/resume"),
        ("GET", "/report"),
        ("GET", "/files"),
        ("GET", "/files/config.json"),
    ]
    for method, path in calls:
        answer = client.request(method, f"{RUNS}/{run_id}{path}")
        assert error_code(answer, 404) == "run_not_found"
        assert SECRET not in answer.text


def test_bad_starts_are_refused(client: TestClient, tmp_path: Path) -> None:
    """An unknown plan or model, another field, and a base that has no probes."""
    assert error_code(client.post(RUNS, json={"plan": SECRET}), 422) == "validation_error"
    assert error_code(client.post(RUNS, json={"epochs": 3}), 422) == "validation_error"
    assert error_code(client.post(RUNS, json={"base": SECRET}), 400) == "model_not_found"
    with make_client(tmp_path / "plain") as plain:
        assert error_code(plain.post(RUNS, json={}), 400) == "no_probe"
    assert client.get(RUNS).json() == {"runs": []}


def test_the_newest_run_comes_first(client: TestClient, clock: SetClock) -> None:
    """In the order in which they were started, backwards."""
    for _ in range(3):
        started(client)
        clock.now += timedelta(seconds=1)
    times = [datetime.fromisoformat(run["created_at"]) for run in client.get(RUNS).json()["runs"]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 3


def test_only_so_many_runs_may_wait(client: TestClient) -> None:
    """One too many is 409; a key that has its run still gives it; a place is free once one is removed."""
    first = started(client, KEY)
    for _ in range(MOST_WAITING - 1):
        started(client)
    assert error_code(client.post(RUNS, json={}), 409) == "too_many_runs"
    assert started(client, KEY) == first
    client.delete(f"{RUNS}/{first['run_id']}")
    started(client)
