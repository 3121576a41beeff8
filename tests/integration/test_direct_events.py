"""Direct calls: a small batch answered at once, or a refusal that names the field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler import wiring
from handler.doors import direct
from handler.entrypoint import lambda_handler
from handler.wiring import Application
from model_layer.errors import ModelNotLoadableError
from tests.api_client import tiny_model_folder
from tests.queue_events import Context

EVENT = Path(__file__).parents[2] / "events" / "direct-requests.json"
SECRET = "zebra-in-the-event"


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Application]:
    """The application behind the entry point, just started, with the tiny model."""
    monkeypatch.setenv("MODEL", str(tiny_model_folder()))
    monkeypatch.setenv("DATA_FOLDER", str(tmp_path))
    wiring.application.cache_clear()
    yield wiring.application()
    wiring.application.cache_clear()


def invoke(event: Any, context: Context | None = None) -> dict[str, Any]:
    """The answer, as JSON carries it."""
    answer: dict[str, Any] = json.loads(json.dumps(lambda_handler(event, context or Context())))
    return answer


def test_the_example_is_answered_in_order() -> None:
    """A wheel and two completions, each with what it promises."""
    answer = invoke(json.loads(EVENT.read_text()))
    wheel, completion = answer["results"]
    assert (answer["model_name"], wheel["kind"], completion["kind"]) == ("tiny", "wheel", "completion")
    assert sum(piece["probability"] for piece in wheel["wheel"]["slices"]) == pytest.approx(1)
    assert [one["seed"] for one in completion["completions"]] == ["class 7b", "class 7b#1"]
    assert all(len(one["tokens"]) == 8 or one["finish_reason"] == "end_of_text" for one in completion["completions"])


def test_the_same_event_gives_the_same_completions() -> None:
    """With a seed nothing is left to chance; without one each call draws its own, and tells it."""
    seeded = json.loads(EVENT.read_text())
    assert invoke(seeded) == invoke(seeded)
    free = {"requests": [{"prompt": "Once", "max_new_tokens": 5}]}
    first, second = (invoke(free)["results"][0]["completions"][0] for _ in range(2))
    assert first["seed"] != second["seed"]
    again = {"requests": [{"prompt": "Once", "max_new_tokens": 5, "seed": first["seed"]}]}
    assert invoke(again)["results"][0]["completions"][0] == first


@pytest.mark.parametrize(
    ("event", "code", "field"),
    [
        ({"requests": []}, "validation_error", "requests"),
        ({"requests": [{"prompt": "Once"}] * 65}, "validation_error", "requests"),
        ({"requests": "Once"}, "validation_error", "requests"),
        ({"requests": [{"prompt": SECRET, "n": 0}]}, "validation_error", "requests.0.n"),
        ({"requests": [{"prompt": SECRET, "zebra": 1}]}, "validation_error", "requests.0.zebra"),
        ({"requests": [{"prompt": SECRET, "seed": "s"}]}, "validation_error", "requests.0"),
        ({"requests": [{"prompt": "Once"}], "zebra": 1}, "validation_error", "zebra"),
        ({"requests": [{"prompt": SECRET, "max_new_tokens": 257}] * 32}, "validation_error", "requests"),
        ({"requests": [{"prompt": "Once"}, {"prompt": "  "}]}, "request_refused", "requests.1"),
        ({"requests": [{"prompt": SECRET * 200}]}, "request_refused", "requests.0"),
        ({"requests": [{"prompt": SECRET, "settings": {"top_p": 7.0}}]}, "request_refused", "requests.0"),
        ({"requests": [{"prompt": "Once"}], "model_name": SECRET}, "model_not_found", "tiny"),
        ({"requests": [{"prompt": "\ud800"}]}, "malformed_json", "JSON"),
        ({"requests": [{"prompt": "Once", "settings": {"top_p": float("nan")}}]}, "malformed_json", "JSON"),
    ],
)
def test_a_refusal_names_the_field(event: Any, code: str, field: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It is an answer, not an exception; it has HTTP's status and code, repeats nothing, and is no error of the log."""
    answer = lambda_handler(event, Context())
    assert answer.keys() == {"error"}
    error = answer["error"]
    assert 400 <= error["status"] < 500
    assert error["code"] == code
    if "errors" in error:
        assert field in [one["field"] for one in error["errors"]]
    else:
        assert field in error["detail"]
    assert SECRET not in str(answer)
    assert capfd.readouterr().out == ""


def test_the_tokens_of_a_batch_are_limited_before_any_is_drawn(application: Application) -> None:
    """Those of all its requests together: as many as the limit are, one more is refused by its field and the limit."""
    requests = [{"prompt": "Once", "max_new_tokens": 512, "n": 2}] * 8
    [problem] = invoke({"requests": [*requests, {"prompt": "Once", "max_new_tokens": 1}]})["error"]["errors"]
    assert (problem["field"], "8192" in problem["message"]) == ("requests", True)
    assert application.model().forward_passes == 0
    assert len(invoke({"requests": [*requests, {"prompt": "Once"}]})["results"]) == 9


def test_a_failure_of_ours_is_logged(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """By its type; the caller gets words that tell nothing of this machine."""

    def fail(*_: object, **__: object) -> None:
        raise ModelNotLoadableError(SECRET)

    monkeypatch.setattr(direct, "answer_at_once", fail)
    error = invoke({"requests": [{"prompt": "Once"}]})["error"]
    assert (error["status"], error["code"]) == (503, "model_not_loadable")
    logged = capfd.readouterr().out
    assert "ModelNotLoadableError" in logged
    assert SECRET not in logged + str(error)


def test_what_time_does_not_suffice_for_says_so() -> None:
    """Near the end of its time the function answers with what it has."""
    event = {"requests": [{"prompt": "Once"}, {"prompt": "The fox", "max_new_tokens": 50, "seed": "s"}]}
    done, late = invoke(event, Context(looks=4))["results"]
    assert done["kind"] == "wheel"
    assert (late["kind"], late["error"]["code"]) == ("error", "out_of_time")


def test_an_answer_too_long_for_lambda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit and the way under it are named."""
    monkeypatch.setattr(direct, "LONGEST_ANSWER_BYTES", 1000)
    error = invoke({"requests": [{"prompt": "Once"}] * 9})["error"]
    assert (error["status"], error["code"]) == (422, "answer_too_long")
