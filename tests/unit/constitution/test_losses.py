"""The losses against their formulas written out in NumPy, and what must not move them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from model_layer.constitution.losses import dpo_loss, reward_margins, sequence_log_probabilities, sft_loss

ROWS, POSITIONS, VOCABULARY = 3, 6, 11
SEEDS = st.integers(0, 2**31)
Drawn = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def drawn(seed: int) -> Drawn:
    """Logits, token ids and a mask whose rows have prompt, completion and padding."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(scale=3, size=(ROWS, POSITIONS, VOCABULARY)).astype(np.float32))
    token_ids = torch.from_numpy(rng.integers(VOCABULARY, size=(ROWS, POSITIONS)))
    begins, lengths = rng.integers(1, 3, size=(ROWS, 1)), rng.integers(1, 4, size=(ROWS, 1))
    positions = np.arange(POSITIONS)
    return logits, token_ids, torch.from_numpy((positions >= begins) & (positions < begins + lengths))


def by_hand(logits: NDArray[np.float32], token_ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The sum over completion tokens of the log-softmax, a number at a time."""
    sums = np.zeros(len(logits))
    for row, position in np.argwhere(mask):
        before = logits[row, position - 1].astype(np.float64)
        sums[row] += before[token_ids[row, position]] - np.log(np.exp(before).sum())
    return sums


@given(seed=SEEDS)
def test_log_probabilities_are_sums_over_the_completion(seed: int) -> None:
    """Each token is predicted by the position before it, and only completion tokens count."""
    logits, token_ids, mask = drawn(seed)
    expected = by_hand(logits.numpy(), token_ids.numpy(), mask.numpy())
    np.testing.assert_allclose(sequence_log_probabilities(logits, token_ids, mask).numpy(), expected, rtol=1e-4, atol=1e-5)


@given(seed=SEEDS)
def test_masked_positions_have_no_gradient(seed: int) -> None:
    """Exactly zero where the next token is prompt or padding, and something everywhere else."""
    logits, token_ids, mask = drawn(seed)
    logits.requires_grad_()
    torch.autograd.backward(sft_loss(sequence_log_probabilities(logits, token_ids, mask), completion_tokens=int(mask.sum())))
    assert logits.grad is not None
    learnt = torch.zeros_like(mask)
    learnt[:, :-1] = mask[:, 1:]
    assert not logits.grad[~learnt].any()
    assert logits.grad[learnt].any(-1).all()


@given(seed=SEEDS, other=SEEDS)
def test_prompt_and_padding_do_not_matter(seed: int, other: int) -> None:
    """Other logits and other tokens there give the same loss to the bit, and so do logits that are not numbers."""
    logits, token_ids, mask = drawn(seed)
    loss = sequence_log_probabilities(logits, token_ids, mask)
    learnt = torch.zeros_like(mask)
    learnt[:, :-1] = mask[:, 1:]
    changed_ids = torch.where(mask, token_ids, drawn(other)[1])
    for changed in (drawn(other)[0], torch.full_like(logits, math.nan)):
        there = torch.where(learnt[..., None], logits, changed)
        assert torch.equal(sequence_log_probabilities(there, changed_ids, mask), loss)


@given(seed=SEEDS)
def test_sft_is_the_mean_over_the_batch_however_it_is_parted(seed: int) -> None:
    """The mean over all completion tokens; parts that are told the whole's tokens add up to it."""
    logits, token_ids, mask = drawn(seed)
    tokens = int(mask.sum())
    log_probabilities = sequence_log_probabilities(logits, token_ids, mask)
    whole = sft_loss(log_probabilities, completion_tokens=tokens)
    parts = sum(sft_loss(log_probabilities[row], completion_tokens=tokens).item() for row in range(ROWS))
    expected = -by_hand(logits.numpy(), token_ids.numpy(), mask.numpy()).sum() / tokens
    assert whole.item() == pytest.approx(expected, rel=1e-4)
    assert parts == pytest.approx(whole.item(), rel=1e-5)


@given(seed=SEEDS, beta=st.floats(0.01, 1))
def test_dpo_is_equation_7(seed: int, beta: float) -> None:
    """-log sigmoid(beta (log-ratio of the chosen - log-ratio of the rejected)), written out."""
    chosen, rejected, reference_chosen, reference_rejected = np.random.default_rng(seed).uniform(-40, 0, size=(4, 5))
    margin = beta * (chosen - reference_chosen) - beta * (rejected - reference_rejected)
    expected = -np.log(1 / (1 + np.exp(-margin)))
    of_policy = torch.from_numpy(chosen), torch.from_numpy(rejected)
    of_reference = torch.from_numpy(reference_chosen), torch.from_numpy(reference_rejected)
    np.testing.assert_allclose(dpo_loss(*of_policy, *of_reference, beta).numpy(), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(reward_margins(*of_policy, *of_reference, beta).numpy(), margin, rtol=1e-9, atol=1e-12)


@given(seed=SEEDS, beta=st.floats(0.01, 1))
def test_a_policy_that_is_its_reference_has_the_loss_ln_2(seed: int, beta: float) -> None:
    """Whatever the pair, the implicit rewards are equal."""
    chosen, rejected = torch.from_numpy(np.random.default_rng(seed).uniform(-400, 0, size=(2, 5)))
    np.testing.assert_allclose(dpo_loss(chosen, rejected, chosen, rejected, beta).numpy(), math.log(2), rtol=1e-12)


def test_dpo_pulls_the_chosen_up_and_the_rejected_down() -> None:
    """The gradients have equal sizes and opposite signs, and shrink as the margin grows."""
    sizes = []
    for lead in (0.0, 5.0, 50.0):
        chosen, rejected = torch.tensor([lead - 60], requires_grad=True), torch.tensor([-60.0], requires_grad=True)
        torch.autograd.backward(dpo_loss(chosen, rejected, torch.tensor([-60.0]), torch.tensor([-60.0]), 0.1).sum())
        assert chosen.grad is not None
        assert rejected.grad is not None
        assert chosen.grad.item() == -rejected.grad.item() < 0
        sizes.append(rejected.grad.item())
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(0.05)
