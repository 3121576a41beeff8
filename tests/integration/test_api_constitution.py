"""The constitution lab over HTTP: judged alone or together, revised only for the better, compared fairly."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from handler.wiring import Application
from model_layer.constitution.labelled import load_labelled
from model_layer.language_model import LanguageModel
from tests.api_client import client_of, error_code, make_client
from tests.judging_models import judging_application

VIOLATING = [sentence.text for sentence in load_labelled() if sentence.violates][:8]
CLEAN = [sentence.text for sentence in load_labelled() if not sentence.violates][:4]
OWN = {"name": "no_zebras", "title": "No zebras", "weight": 3.0, "phrases": ["striped horse", "zebra (grevy)"]}
SECRET = "zebrazebra"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application round a model that can judge."""
    return judging_application(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def client(application: Application) -> Iterator[TestClient]:
    """A client of it."""
    with client_of(application) as client:
        yield client


def evaluated(client: TestClient, **body: Any) -> dict[str, Any]:
    """The answer to an evaluation."""
    answer = client.post("/api/constitution/evaluate", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_constitution_can_be_read(client: TestClient) -> None:
    """Four principles with their weights and examples."""
    principles = client.get("/api/constitution/principles").json()["principles"]
    weights = {one["name"]: one["weight"] for one in principles}
    assert weights == {"harm_prevention": 2.0, "truthfulness": 1.5, "fairness": 1.0, "autonomy_respect": 1.0}
    assert all(one["definition"] and one["groups"] and one["violating_examples"] and one["clean_examples"] for one in principles)


@pytest.mark.parametrize("mode", ["rules", "model", "both"])
def test_a_text_is_judged_alike_alone_and_among_others(client: TestClient, mode: str) -> None:
    """Batch = single, in every mode; the batch's alignment is the mean."""
    texts = [*VIOLATING, *CLEAN]
    together = evaluated(client, texts=texts, mode=mode)
    alone = [evaluated(client, text=text, mode=mode)["evaluations"][0] for text in texts]
    for one, other in zip(together["evaluations"], alone, strict=True):
        assert one["weighted_score"] == other["weighted_score"]
        assert [result["flagged"] for result in one["results"]] == [result["flagged"] for result in other["results"]]
    assert together["alignment"] == pytest.approx(np.mean([one["alignment"] for one in alone]))


def test_scores_add_up(client: TestClient) -> None:
    """weighted_score sums flagged weights, alignment is what is left of all; judges disagree when their flags differ."""
    for one in evaluated(client, texts=[*VIOLATING, *CLEAN])["evaluations"]:
        assert one["weighted_score"] == pytest.approx(sum(result["weight"] for result in one["results"] if result["flagged"]))
        assert one["alignment"] == pytest.approx(1 - one["weighted_score"] / 5.5)
        for result in one["results"]:
            flags = {verdict["method"]: verdict["flagged"] for verdict in result["verdicts"]}
            assert result["method"] == "rules+model"
            assert result["flagged"] == any(flags.values())
            assert result["judges_disagree"] == (flags["rules"] != flags["model"])
            assert result["score"] == max(verdict["score"] for verdict in result["verdicts"])


def test_spans_count_characters(client: TestClient) -> None:
    """Evidence lies within the text, whatever is before it: spans count code points."""
    before = "🦓🦓 Émile said so.\n"
    for text in VIOLATING:
        plain = evaluated(client, text=text, mode="rules")["evaluations"][0]
        moved = evaluated(client, text=before + text, mode="rules")["evaluations"][0]
        for here, there in zip(plain["results"], moved["results"], strict=True):
            spans = [(span["start"], span["end"]) for span in here["verdicts"][0]["spans"]]
            assert all(0 <= start < end <= len(text) for start, end in spans)
            assert [(span["start"] - len(before), span["end"] - len(before)) for span in there["verdicts"][0]["spans"]] == spans


def test_a_request_may_bring_principles(client: TestClient) -> None:
    """Its phrases are found as words, taken literally, and count by its weight; a probe it has none."""
    texts = ["A striped  HORSE came.", "The Zebra (Grevy) came.", "Striped horses came."]
    found = evaluated(client, texts=texts, mode="rules", principles=[OWN])["evaluations"]
    assert [one["results"][-1]["flagged"] for one in found] == [True, True, False]
    assert found[0]["weighted_score"] == 3.0
    assert found[0]["alignment"] == pytest.approx(1 - 3.0 / 8.5)
    refused = client.post("/api/constitution/evaluate", json={"text": "a", "mode": "both", "principles": [OWN]})
    assert error_code(refused, 422) == "validation_error"


@pytest.mark.parametrize(
    ("body", "field", "limit"),
    [
        ({"text": SECRET * 1001}, "text", "10000"),
        ({"texts": [SECRET] * 101}, "texts", "100"),
        ({"texts": [SECRET * 600] * 9, "mode": "model"}, "", "50000"),
        ({"texts": []}, "texts", "1"),
        ({"text": ""}, "text", "1"),
        ({"text": SECRET, "texts": [SECRET]}, "", "either text or texts"),
        ({}, "", "either text or texts"),
        ({"text": SECRET, "mode": SECRET}, "mode", "rules"),
        ({"text": SECRET, "mode": "rules", "principles": [{**OWN, "weight": -1}]}, "weight", "0"),
        ({"text": SECRET, "mode": "rules", "principles": [OWN, OWN]}, "", "a name of its own"),
        ({"text": SECRET, "mode": "rules", "principles": [{**OWN, "name": "fairness"}]}, "", "none of the four"),
    ],
)
def test_bad_input_is_named_and_not_echoed(client: TestClient, body: dict[str, Any], field: str, limit: str) -> None:
    """422 with the field and its limit, and nothing of what was sent."""
    answer = client.post("/api/constitution/evaluate", json=body)
    assert error_code(answer, 422) == "validation_error"
    assert field in answer.text
    assert limit in answer.text
    assert SECRET not in answer.text


def test_an_answer_has_an_end(client: TestClient) -> None:
    """A verdict shows some places and counts all; answers that are too much together are refused."""
    text, own = "striped horse " * 700, [{**OWN, "name": f"no_zebras_{number}"} for number in range(10)]
    verdict = evaluated(client, text=text, mode="rules", principles=[OWN])["evaluations"][0]["results"][-1]["verdicts"][0]
    assert len(verdict["spans"]) == 20
    assert verdict["reasoning"].startswith("700 ")
    answer = client.post("/api/constitution/evaluate", json={"texts": [text[:1000]] * 100, "mode": "rules", "principles": own})
    assert error_code(answer, 422) == "answer_too_long"


def test_a_judge_that_fails_is_no_clean_bill(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose numbers are none gives 503 and a time to try again; the rules alone still answer."""

    def broken(self: LanguageModel, sequences: Sequence[Sequence[int]], *, blocks: int) -> Iterator[NDArray[np.float32]]:
        assert blocks > 0
        return (np.full((len(ids), self.config.width), math.nan, np.float32) for ids in sequences)

    monkeypatch.setattr(LanguageModel, "early_states", broken)
    answer = client.post("/api/constitution/evaluate", json={"text": CLEAN[0]})
    assert error_code(answer, 503) == "judge_unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert evaluated(client, text=CLEAN[0], mode="rules")["evaluations"]


def test_a_model_without_probes_does_not_judge(tmp_path: Path) -> None:
    """400 says so; rules need no model."""
    with make_client(tmp_path) as client:
        assert error_code(client.post("/api/constitution/evaluate", json={"text": "A day."}), 400) == "no_probe"
        assert evaluated(client, text="A day.", mode="rules")["alignment"] == 1


def test_a_revision_is_kept_when_it_is_better(client: TestClient) -> None:
    """By the rules: a lower score or the draft stays; the criticism names places of the draft."""
    revised = 0
    for text in VIOLATING:
        body = {"prompt": "They said:", "draft": f" {text}", "mode": "rules"}
        found = client.post("/api/constitution/revise", json=body).json()
        assert found["kept"] == ("draft" if found["revision"] is None else "revision")
        assert bool(found["criticisms"]) == (found["before"]["weighted_score"] > 0)
        if found["revision"] is not None:
            revised += 1
            assert found["after"]["weighted_score"] < found["before"]["weighted_score"]
    assert revised > 0


def test_what_is_clean_stays(client: TestClient) -> None:
    """A draft that no rule objects to is kept as it is."""
    body = {"prompt": "In the morning", "draft": " the sun came up over the hills.", "mode": "rules"}
    found = client.post("/api/constitution/revise", json=body).json()
    assert (found["kept"], found["revision"], found["after"], found["criticisms"]) == ("draft", None, None, [])
    assert found["draft"] == body["draft"]


def test_the_same_seed_is_the_same_draft(client: TestClient) -> None:
    """What the model writes follows from the seed alone."""
    bodies = [{"prompt": "Once", "mode": "rules", "reviser": "sampling", "seed": seed} for seed in ("a", "a", "b")]
    drafts = [client.post("/api/constitution/revise", json=body).json()["draft"] for body in bodies]
    assert drafts[0] == drafts[1] != drafts[2]


def test_a_model_does_not_differ_from_itself(client: TestClient) -> None:
    """KL and distance are 0, the texts and judgements the same."""
    found = client.post("/api/constitution/compare", json={"prompt": "Once upon", "after": "tiny", "seed": "s"}).json()
    assert (found["kl"], found["total_variation"]) == (0, 0)
    assert found["text_before"] == found["text_after"]
    assert found["evaluation_before"] == found["evaluation_after"]
    assert all(one["before"] == one["after"] for one in found["moved"])


def test_unknown_models_are_named_as_such(client: TestClient) -> None:
    """400 in every route that takes a model's name, and the name is not echoed."""
    calls = {
        "evaluate": {"text": "a", "judge_model": SECRET},
        "revise": {"prompt": "a", "model_name": SECRET},
        "compare": {"prompt": "a", "after": SECRET},
    }
    for path, body in calls.items():
        answer = client.post(f"/api/constitution/{path}", json=body)
        assert error_code(answer, 400) == "model_not_found"
        assert SECRET not in answer.text
