"""Laws of texts that a model writes, of their scores, and of two models side by side."""

from pathlib import Path

import numpy as np
import pytest

from model_layer.constitution.comparison import compare
from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.errors import DifferentVocabulariesError
from model_layer.constitution.text_scores import completion_log_probability, perplexity
from model_layer.language_model import LanguageModel
from model_layer.sampling import log_probabilities, probabilities, rank_order, seeded_uniform
from tests.tiny_models import make_tiny_model

SAMPLING = Sampling(max_new_tokens=12, temperature=1.0, top_k=0)
PROMPTS = ["Once upon a time", "The fox said", "I see the sea, said"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A tiny random model."""
    return LanguageModel.open(make_tiny_model(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """Another one of the same vocabulary."""
    return LanguageModel.open(make_tiny_model(tmp_path_factory.mktemp("other"), seed=8))


def test_a_batch_writes_what_each_would_write_alone(model: LanguageModel) -> None:
    """Whatever its neighbours."""
    seeds = ["a", "b", "c"]
    together = continuations(model, PROMPTS, seeds, SAMPLING)
    alone = [continuations(model, [prompt], [seed], SAMPLING)[0] for prompt, seed in zip(PROMPTS, seeds, strict=True)]
    assert together == alone
    assert continuations(model, PROMPTS, ["a", "b", "d"], SAMPLING)[2] != together[2]


def test_each_token_is_the_inverse_cdf_of_its_number(model: LanguageModel) -> None:
    """By rank, as a wheel's spin draws."""
    [text] = continuations(model, [PROMPTS[0]], ["7"], Sampling(max_new_tokens=1, temperature=0.7, top_k=5))
    p = probabilities(model.next_logits(model.encode(PROMPTS[0])), temperature=0.7, top_k=5)
    order = rank_order(p)
    drawn = int(order[np.searchsorted(np.cumsum(p[order]), seeded_uniform("7", 0), side="right")])
    assert text == model.decode([drawn])


def test_a_text_fits_the_window(model: LanguageModel) -> None:
    """A prompt that is too long is cut at its beginning, and the text ends with the window."""
    [text] = continuations(model, ["the " * 200], ["1"], Sampling(max_new_tokens=500))
    assert len(model.encode(text)) <= 5


def test_scores_are_sums_of_next_token_log_probabilities(model: LanguageModel) -> None:
    """Token by token, as `next_logits` gives them."""
    prompt, completion = "The fox said", " to the raven"
    ids = model.encode(prompt)
    total = 0.0
    for token_id in model.encode(completion):
        total += float(log_probabilities(model.next_logits(ids))[token_id])
        ids.append(token_id)
    assert completion_log_probability(model, prompt, completion) == pytest.approx(total, abs=1e-3)
    whole = model.encode("The fox said to the raven")
    each = [float(log_probabilities(model.next_logits(whole[:end]))[whole[end]]) for end in range(1, len(whole))]
    assert perplexity(model, "The fox said to the raven") == pytest.approx(np.exp(-np.mean(each)), rel=1e-3)


def test_a_model_does_not_differ_from_itself(model: LanguageModel) -> None:
    """No distance, and one text."""
    found = compare(model, model, PROMPTS[0], "1", SAMPLING)
    assert found.kl == pytest.approx(0, abs=1e-12)
    assert found.total_variation == 0
    assert found.text_before == found.text_after


def test_two_models_differ_by_their_wheels(model: LanguageModel, other: LanguageModel) -> None:
    """KL and total variation are those of the two next-token distributions, and the tokens that moved most come first."""
    found = compare(model, other, PROMPTS[1], "1", SAMPLING)
    ids = model.encode(PROMPTS[1])
    p, q = (np.exp(log_probabilities(one.next_logits(ids))) for one in (model, other))
    assert found.kl == pytest.approx(float((q * np.log(q / p)).sum()), rel=1e-6)
    assert found.total_variation == pytest.approx(float(np.abs(p - q).sum() / 2), rel=1e-9)
    moves = [abs(one.after - one.before) for one in found.moved]
    assert moves == sorted(moves, reverse=True)
    assert moves[0] == pytest.approx(float(np.abs(p - q).max()))


def test_different_vocabularies_cannot_be_compared(model: LanguageModel, tmp_path: Path) -> None:
    """There is no wheel that both have."""
    with pytest.raises(DifferentVocabulariesError):
        compare(model, LanguageModel.open(make_tiny_model(tmp_path / "wide", vocab_size=500)), "x", "1", SAMPLING)
