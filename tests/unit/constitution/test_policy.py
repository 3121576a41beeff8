"""The network that is fine-tuned, against the engine that serves it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model_layer.constitution.encoding import EncodedPair, encode_pair
from model_layer.constitution.policy import ROWS, Policy, parts
from model_layer.constitution.text_scores import completion_log_probability
from model_layer.language_model import LanguageModel
from model_layer.reference import float32_model
from tests.baked_models import make_baked_model
from tests.fine_tuning import PAIRS


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model in float16."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def model(base: Path) -> LanguageModel:
    """The engine that serves it."""
    return LanguageModel.open(base)


@pytest.fixture
def policy(base: Path, model: LanguageModel) -> Policy:
    """The network that is trained, fresh."""
    return Policy(base, end_of_text_id=model.end_of_text_id)


@pytest.fixture(scope="module")
def encoded(model: LanguageModel) -> list[EncodedPair]:
    """The pairs as token ids."""
    return [encode_pair(model, pair, end_of_text_id=model.end_of_text_id, max_tokens=32) for pair in PAIRS]


def test_it_finds_texts_as_likely_as_the_engine_that_serves(
    policy: Policy, model: LanguageModel, encoded: list[EncodedPair]
) -> None:
    """The log-probability of every completion and its end, by transformers and by the engine."""
    end = model.decode([model.end_of_text_id])
    for pair, ids in zip(PAIRS, encoded, strict=True):
        for text, row in ((pair.chosen, ids.chosen), (pair.rejected, ids.rejected)):
            assert policy.scores([row])[0] == pytest.approx(completion_log_probability(model, pair.prompt, text + end), abs=1e-2)


def test_neighbours_do_not_matter(policy: Policy, encoded: list[EncodedPair]) -> None:
    """A short row beside a long one is padded; it is as likely as alone."""
    rows = [row for pair in encoded for row in (pair.chosen, pair.rejected)]
    assert len({len(row.token_ids) for row in rows}) > 1
    alone = [policy.scores([row])[0] for row in rows]
    np.testing.assert_allclose(policy.scores(rows), alone, rtol=1e-5)


def test_the_faster_activation_is_the_same_function(policy: Policy, base: Path) -> None:
    """Logits differ from the untouched model's by rounding alone."""
    token_ids = torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad():
        expected = float32_model(base)(token_ids).logits
        found = policy._model(token_ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_embeddings_do_not_learn(policy: Policy) -> None:
    """Nor the output layer, which is the embedding; everything else does."""
    frozen = set(policy.weights) - set(policy.learning)
    assert frozen == {"transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight"}


def test_what_is_adopted_is_had(policy: Policy, base: Path, model: LanguageModel, encoded: list[EncodedPair]) -> None:
    """A fresh network with the weights of a changed one gives the same bits."""
    rows = [encoded[0].chosen]
    before = policy.scores(rows)
    policy.adopt({name: weights + 0.01 for name, weights in policy.learning.items()})
    other = Policy(base, end_of_text_id=model.end_of_text_id)
    other.adopt({name: weights.detach() for name, weights in policy.learning.items()})
    assert policy.scores(rows) == other.scores(rows) != before


def test_parts_are_all_rows_a_few_at_a_time(encoded: list[EncodedPair]) -> None:
    """In their order, none twice."""
    rows = [pair.chosen for pair in encoded]
    found = list(parts(rows))
    assert [row for part in found for row in part] == rows
    assert all(0 < len(part) <= ROWS for part in found)
