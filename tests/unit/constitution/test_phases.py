"""The gradients that are gathered a few sequences at a time, against one pass over the whole batch."""

import math
from pathlib import Path

import pytest
import torch

from model_layer.constitution.encoding import Encoded, EncodedPair, encode_pair
from model_layer.constitution.losses import dpo_loss
from model_layer.constitution.phases import dpo_gradients, sft_gradients
from model_layer.constitution.policy import Policy
from model_layer.language_model import LanguageModel
from tests.baked_models import make_baked_model
from tests.fine_tuning import PAIRS

BETA = 0.1
Gradients = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model in float16."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def pairs(base: Path) -> list[EncodedPair]:
    """Five pairs, an odd number: the last part is smaller than the others."""
    model = LanguageModel.open(base)
    return [encode_pair(model, pair, end_of_text_id=model.end_of_text_id, max_tokens=32) for pair in PAIRS[:5]]


@pytest.fixture
def policy(base: Path) -> Policy:
    """A network without gradients."""
    return Policy(base, end_of_text_id=LanguageModel.open(base).end_of_text_id)


def taken(policy: Policy) -> Gradients:
    """The gradients, taken away from the network."""
    found = {name: weights.grad for name, weights in policy.learning.items() if weights.grad is not None}
    for weights in policy.learning.values():
        weights.grad = None
    assert set(found) == set(policy.learning)
    return found


def assert_close(found: Gradients, expected: Gradients) -> None:
    """The same up to the order of summation."""
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_sft_is_the_mean_over_the_tokens_of_the_batch(policy: Policy, pairs: list[EncodedPair]) -> None:
    """Rows of different lengths weigh by their tokens, whichever part of the batch they fall into."""
    rows = [row for pair in pairs for row in (pair.chosen, pair.rejected)][:5]
    loss = sft_gradients(policy, rows)
    found = taken(policy)
    whole = -policy.log_probabilities(rows).sum() / sum(row.completion_tokens for row in rows)
    torch.autograd.backward(whole)
    assert loss == pytest.approx(whole.item(), rel=1e-5)
    assert_close(found, taken(policy))


def test_the_prompt_is_not_learnt(policy: Policy, pairs: list[EncodedPair]) -> None:
    """Where nothing is completion there is no gradient at all; with one token of it there is."""
    row = pairs[0].chosen
    all_prompt, all_but_one = Encoded(row.token_ids, len(row.token_ids)), Encoded(row.token_ids, len(row.token_ids) - 1)
    torch.autograd.backward(policy.log_probabilities([all_prompt]).sum())
    assert not any(gradient.any() for gradient in taken(policy).values())
    sft_gradients(policy, [all_but_one])
    assert any(gradient.any() for gradient in taken(policy).values())


def test_dpo_is_the_mean_over_pairs(policy: Policy, pairs: list[EncodedPair]) -> None:
    """All pairs in one pass, by the formula, give the same loss and gradients."""
    chosen, rejected = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
    reference_chosen, reference_rejected = torch.tensor(policy.scores(chosen)) - 1, torch.tensor(policy.scores(rejected)) + 2
    references = torch.stack([reference_chosen, reference_rejected], dim=1).tolist()
    loss, margin = dpo_gradients(policy, pairs, references, beta=BETA)
    found = taken(policy)
    of_policy = policy.log_probabilities(chosen), policy.log_probabilities(rejected)
    whole = dpo_loss(*of_policy, reference_chosen, reference_rejected, BETA).mean()
    torch.autograd.backward(whole)
    assert loss == pytest.approx(whole.item(), rel=1e-4)
    assert margin == pytest.approx(BETA * 3, rel=1e-4)
    assert_close(found, taken(policy))


def test_a_step_down_the_gradient_widens_the_margin(policy: Policy, pairs: list[EncodedPair]) -> None:
    """From its own reference, where the loss is ln 2, a small step lowers the loss and prefers the chosen."""
    references = [policy.scores([pair.chosen, pair.rejected]) for pair in pairs]
    loss, margin = dpo_gradients(policy, pairs, references, beta=BETA)
    assert loss == pytest.approx(math.log(2), abs=1e-6)
    assert margin == pytest.approx(0, abs=1e-5)
    before, gradients = policy.learning, taken(policy)
    policy.adopt({name: weights.detach() - 0.1 * gradients[name] for name, weights in before.items()})
    lower, wider = dpo_gradients(policy, pairs, references, beta=BETA)
    assert lower < loss
    assert wider > margin
