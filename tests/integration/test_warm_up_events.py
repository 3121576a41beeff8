"""Warm-up pings: a real forward pass each, no table, one environment each, and a fan-out through the alias."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.doors import warm_up
from handler.entrypoint import lambda_handler
from handler.wheel.errors import StoreUnavailableError
from handler.wiring import Application
from model_layer.errors import ModelNotLoadableError
from tests.queue_events import Context
from tests.queue_function import started_function

EVENTS = Path(__file__).parents[2] / "events"
SECRET = "zebra"


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Application]:
    """The application behind the entry point."""
    warm_up.environment_id.cache_clear()
    with started_function(tmp_path, monkeypatch) as started:
        yield started


def invoke(event: object) -> dict[str, Any]:
    """The function's answer."""
    return lambda_handler(event, Context())


class Others:
    """A function whose environments answer by these ids; None is a call that fails."""

    def __init__(self, *environment_ids: str | None) -> None:
        self.environment_ids = environment_ids
        self.asked: list[tuple[dict[str, Any], int]] = []

    def call_together(self, event: dict[str, Any], times: int) -> list[dict[str, Any] | None]:
        """The answers, whatever was asked."""
        self.asked.append((event, times))
        return [None if one is None else {"warm_up": {"environment_id": one}} for one in self.environment_ids]


@pytest.mark.parametrize("name", ["warm-up", "warm-up-held", "warm-up-scheduler", "warm-up-rule"])
def test_every_ping_is_a_forward_pass_and_touches_no_table(
    application: Application, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The second ping too, although its text is known by then; sessions and jobs are not asked for anything."""
    for store in (application.store, application.desk.store, application.queue):
        for method in [name for name in dir(store) if not name.startswith("_")]:
            monkeypatch.setattr(type(store), method, lambda *_, **__: pytest.fail("a ping touched a table"), raising=False)
    event = json.loads((EVENTS / f"{name}.json").read_text())
    first, second = invoke(event)["warm_up"], invoke(event)["warm_up"]
    assert application.model().forward_passes == 2
    assert first["environment_id"] == second["environment_id"]
    assert (first["environments"], first["failed"], first["model_name"]) == (1, 0, "tiny")
    assert min(first["load_ms"], first["forward_ms"], first["held_ms"]) >= 0
    monkeypatch.undo()


def test_a_held_ping_says_how_long(application: Application) -> None:  # noqa: ARG001 - it is started
    """At least as long as was asked."""
    assert invoke({"warm_up": {"hold_ms": 120}})["warm_up"]["held_ms"] >= 120


def test_holding_leaves_time_to_answer(application: Application) -> None:  # noqa: ARG001 - it is started
    """A ping that would outlive its invocation is not held at all."""
    answer = lambda_handler({"warm_up": {"hold_ms": 10_000}}, Context(looks=0))["warm_up"]
    assert answer["held_ms"] < 10_000


def test_a_fan_out_calls_the_others_and_counts_environments(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """One less than asked, for itself is one; equal ids are one environment, and a failed call is none."""
    others = Others("b", "c", "c", None)
    monkeypatch.setattr(type(application), "itself", lambda _: others)
    answer = invoke({"warm_up": {"concurrency": 5, "hold_ms": 300}})["warm_up"]
    assert others.asked == [({"warm_up": {"hold_ms": 300}}, 4)]
    assert (answer["environments"], answer["failed"]) == (3, 1)


def test_several_are_held_unless_the_call_says_otherwise(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one environment would answer them all in turn."""
    others = Others("b")
    monkeypatch.setattr(type(application), "itself", lambda _: others)
    for asked in ({"concurrency": 2}, {"concurrency": 2, "hold_ms": 0}):
        invoke({"warm_up": asked})
    assert [event["warm_up"]["hold_ms"] for event, _ in others.asked] == [warm_up.HELD_TOGETHER_MS, 0]


def test_only_a_function_can_call_itself(application: Application) -> None:  # noqa: ARG001 - it is started
    """Elsewhere the example is refused with what to do."""
    error = invoke(json.loads((EVENTS / "warm-up-concurrency.json").read_text()))["error"]
    assert (error["status"], error["code"]) == (400, "not_on_lambda")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 101}, "concurrency"),
        ({"hold_ms": -1}, "hold_ms"),
        ({"hold_ms": 10_001}, "hold_ms"),
        ({"hold_ms": SECRET}, "hold_ms"),
        ({SECRET: 1}, SECRET),
    ],
)
def test_a_wrong_ping_is_refused_by_its_field(
    application: Application,  # noqa: ARG001 - it is started
    capfd: pytest.CaptureFixture[str],
    wrong: dict[str, Any],
    field: str,
) -> None:
    """Nothing is raised, which the runtime would log with what was sent."""
    error = invoke({"warm_up": wrong})["error"]
    assert (error["status"], [problem["field"] for problem in error["errors"]]) == (422, [field])
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize("value", [None, SECRET, 7, [1]])
def test_a_ping_that_is_no_object_is_refused(application: Application, value: object) -> None:  # noqa: ARG001 - it is started
    """Whatever stands in its place."""
    assert invoke({"warm_up": value})["error"]["status"] == 422


def test_a_model_that_does_not_load_is_told(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a status, so that a schedule's log shows it."""

    def refuse(*_: object) -> None:
        raise ModelNotLoadableError("the folder is damaged")

    monkeypatch.setattr(application.catalog, "get", refuse)
    assert invoke({"warm_up": {}})["error"]["status"] == 503


def test_a_table_that_is_down_does_not_matter(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is warm all the same."""

    def refuse(*_: object) -> None:
        raise StoreUnavailableError

    monkeypatch.setattr(type(application.store), "check", refuse)
    assert "warm_up" in invoke({"warm_up": {}})
