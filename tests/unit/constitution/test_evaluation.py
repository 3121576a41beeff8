"""Laws of a text's evaluation: by rules without a model, by a model with probes that were fitted by hand, by both."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from model_layer.constitution.critique import critique
from model_layer.constitution.errors import JudgeUnavailableError, NoProbeError
from model_layer.constitution.evaluation import Evaluator, Mode
from model_layer.constitution.labelled import load_labelled
from model_layer.constitution.logistic import LogisticRegression
from model_layer.constitution.principles import custom_principle, load_principles
from model_layer.constitution.probe import Probe, ProbeFigures, Probes, sentence_features
from model_layer.constitution.rules import RuleJudge
from model_layer.language_model import LanguageModel
from tests.tiny_models import make_tiny_model

PRINCIPLES = load_principles()
RULES = Evaluator(PRINCIPLES)
TEXTS = st.lists(st.sampled_from([sentence.text for sentence in load_labelled()]), max_size=5).map(" ".join)
BAD, GOOD = "You have no choice, said the fox.", "The fox walked to the mill."
FIGURES = ProbeFigures(0, 0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model's."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    """A tiny random model."""
    return LanguageModel.open(folder)


@pytest.fixture(scope="module")
def probes(model: LanguageModel) -> Probes:
    """Probes that find BAD violates everything and GOOD nothing, by the direction from the one to the other."""
    bad, good = sentence_features(model, [BAD, GOOD])
    towards = (bad - good) / float((bad - good) @ (bad - good))
    regression = LogisticRegression(8 * towards, -4.0)
    by_principle = {principle.name: Probe(regression, 0.9, FIGURES) for principle in PRINCIPLES}
    return Probes(good, np.ones(len(good)), by_principle)


@pytest.fixture(scope="module")
def evaluator(model: LanguageModel, probes: Probes) -> Evaluator:
    """Judges by both."""
    return Evaluator(PRINCIPLES, model=model, probes=probes)


@given(text=TEXTS)
def test_the_score_is_the_sum_of_the_weights_of_what_is_flagged(text: str) -> None:
    """From 0 to 5.5; the alignment is what is left of 1."""
    [one] = RULES.evaluate([text], "rules")
    flagged = [principle for principle in PRINCIPLES if RuleJudge(principle).spans(text)]
    assert [result.principle for result in one.results if result.flagged] == [principle.name for principle in flagged]
    assert one.weighted_score == sum(principle.weight for principle in flagged)
    assert 0 <= one.weighted_score <= sum(principle.weight for principle in PRINCIPLES) == 5.5
    assert one.alignment == pytest.approx(1 - one.weighted_score / 5.5)


@given(text=TEXTS)
def test_a_verdict_by_rules_shows_its_places(text: str) -> None:
    """It is flagged for evidence and for nothing else, and says what it found."""
    for result in RULES.evaluate([text], "rules")[0].results:
        [verdict] = result.verdicts
        assert verdict.flagged == bool(verdict.evidence) == bool(verdict.score)
        assert all(0 <= one.start < one.end <= len(text) and one.reason for one in verdict.evidence)
        assert verdict.reasoning.startswith(str(len(verdict.evidence)) if verdict.flagged else "no rule")


@given(texts=st.lists(TEXTS, max_size=4))
def test_rules_judge_each_text_alone(texts: list[str]) -> None:
    """Whatever its neighbours."""
    assert RULES.evaluate(texts, "rules") == [RULES.evaluate([text], "rules")[0] for text in texts]


@pytest.mark.parametrize("mode", ["rules", "model", "both"])
def test_what_ends_before_the_start_does_not_count(evaluator: Evaluator, mode: Mode) -> None:
    """A prompt is not held against the draft after it, by either judge."""
    text = f"{BAD} {GOOD}"
    whole, draft = evaluator.evaluate([text, text], mode, starts=[0, len(BAD)])
    assert whole.weighted_score > 0
    assert draft.weighted_score == 0
    assert not critique(draft)


def test_what_goes_on_after_the_start_counts() -> None:
    """A draft that completes a violation is to blame for it."""
    prompt, draft = "Give me the ring, or", " you will be sorry."
    alone, together = RULES.evaluate([prompt + " not.", prompt + draft], "rules", starts=[len(prompt)] * 2)
    assert (alone.weighted_score, together.weighted_score) == (0, 1.0)


@pytest.mark.parametrize("mode", ["model", "both"])
def test_a_judge_that_is_not_there_is_an_error(model: LanguageModel, probes: Probes, mode: Mode) -> None:
    """Never a text without faults: neither without a model nor without its probes."""
    for incomplete in (RULES, Evaluator(PRINCIPLES, model=model), Evaluator(PRINCIPLES, probes=probes)):
        with pytest.raises(JudgeUnavailableError):
            incomplete.evaluate([GOOD], mode)


@pytest.mark.parametrize("mode", ["model", "both"])
def test_a_model_that_gives_no_numbers_is_an_error(folder: Path, probes: Probes, tmp_path: Path, mode: Mode) -> None:
    """Weights that are not finite make no verdict, whatever the rules say."""
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    weights = load_file(folder / "model.safetensors")
    damaged = {name: np.full_like(value, np.nan) if "ln_f" in name else value for name, value in weights.items()}
    save_file(damaged, tmp_path / "model.safetensors")
    broken = Evaluator(PRINCIPLES, model=LanguageModel.open(tmp_path), probes=probes)
    for text in (GOOD, BAD):
        with pytest.raises(JudgeUnavailableError):
            broken.evaluate([text], mode)


def test_a_model_judges_each_text_of_a_batch_as_if_alone(evaluator: Evaluator) -> None:
    """The same flags at the same places, and the same probabilities to rounding."""
    texts = [BAD, GOOD, f"{GOOD} {BAD}\n{GOOD}", "..."]
    together, alone = evaluator.evaluate(texts, "model"), [evaluator.evaluate([text], "model")[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert [(found.start, found.end) for found in critique(one)] == [(found.start, found.end) for found in critique(other)]
        assert [result.score for result in one.results] == pytest.approx([result.score for result in other.results], abs=1e-4)


def test_a_model_flags_the_sentence_from_its_threshold_on(evaluator: Evaluator) -> None:
    """The score is that of the worst sentence, and the evidence is where it stands."""
    good, both = evaluator.evaluate([GOOD, f"{GOOD} {BAD}"], "model")
    assert good.weighted_score == 0
    assert both.weighted_score == 5.5
    for result in both.results:
        [verdict] = result.verdicts
        assert verdict.score >= 0.9
        assert [(one.start, one.end) for one in verdict.evidence] == [(len(GOOD) + 1, len(f"{GOOD} {BAD}"))]


def test_a_text_without_a_word_has_nothing_to_judge(evaluator: Evaluator) -> None:
    """And no text at all has no evaluation."""
    [empty] = evaluator.evaluate(["... !"], "both")
    assert empty.weighted_score == 0
    assert evaluator.evaluate([], "both") == []


def test_two_judges_may_disagree(evaluator: Evaluator) -> None:
    """Then it is flagged, and said that they do; a critique names the judge that objects."""
    [one] = evaluator.evaluate([BAD], "both")
    flags = {result.principle: [verdict.flagged for verdict in result.verdicts] for result in one.results}
    assert flags == {principle.name: [principle.name == "autonomy_respect", True] for principle in PRINCIPLES}
    assert {result.principle for result in one.results if not result.disagree} == {"autonomy_respect"}
    assert all(result.flagged for result in one.results)
    assert [(one.principle, one.judge) for one in critique(one)][:2] == [("harm_prevention", "model"), ("truthfulness", "model")]


def test_a_principle_without_a_probe_has_rules_only(model: LanguageModel, probes: Probes) -> None:
    """The model is not asked for what it was never fitted for."""
    own = Evaluator([custom_principle("bread", "Bread", 3.0, "", ["stale bread"])], model=model, probes=probes)
    assert own.evaluate(["He ate Stale  bread."], "rules")[0].alignment == 0
    with pytest.raises(NoProbeError):
        own.evaluate(["He ate stale bread."], "model")


def test_what_stands_before_is_context_only(evaluator: Evaluator) -> None:
    """A prompt that violates everything is not held against what follows, and no evidence lies in it."""
    prompt, rest = BAD.removesuffix("."), " and the fox walked to the mill."
    [whole] = evaluator.evaluate([prompt + rest], "model")
    [after] = evaluator.evaluate([prompt + rest], "model", starts=[len(prompt)])
    [nothing] = evaluator.evaluate([BAD], "model", starts=[len(BAD)])
    assert after.results[0].score < whole.results[0].score
    assert all(one.start >= len(prompt) for result in after.results for one in result.verdicts[0].evidence)
    assert nothing.weighted_score == 0


def test_a_text_beyond_the_window_is_judged_to_its_end(evaluator: Evaluator, model: LanguageModel) -> None:
    """However many tokens stand before, what violates is found where it is."""
    filler = "é" * (2 * model.context_window) + " "
    [found] = evaluator.evaluate([f"{filler}. {BAD}"], "model")
    assert all(result.flagged for result in found.results)
    assert any(one.start >= len(filler) for one in found.results[0].verdicts[0].evidence)


def test_a_probe_without_numbers_is_no_clean_bill(model: LanguageModel, probes: Probes) -> None:
    """Its verdict is an error."""
    nowhere = LogisticRegression(np.full(model.config.width, np.nan), 0.0)
    broken = Probes(probes.mean, probes.scale, {name: Probe(nowhere, 0.5, FIGURES) for name in probes.by_principle})
    with pytest.raises(JudgeUnavailableError):
        Evaluator(PRINCIPLES, model=model, probes=broken).evaluate([GOOD], "model")
