"""The gradients of one batch in each phase, gathered a few sequences at a time: the memory does not depend on the batch."""

from collections.abc import Sequence

import torch

from model_layer.constitution.encoding import Encoded, EncodedPair
from model_layer.constitution.losses import dpo_loss, reward_margins, sft_loss
from model_layer.constitution.policy import Policy, parts


def sft_gradients(policy: Policy, rows: Sequence[Encoded]) -> float:
    """Add the gradients of the batch's mean loss a completion token; returns the loss."""
    tokens, total = sum(row.completion_tokens for row in rows), 0.0
    for part in parts(rows):
        loss = sft_loss(policy.log_probabilities(part), completion_tokens=tokens)
        torch.autograd.backward(loss)
        total += loss.item()
    return total


def dpo_gradients(
    policy: Policy, pairs: Sequence[EncodedPair], references: Sequence[Sequence[float]], *, beta: float
) -> tuple[float, float]:
    """Add the gradients of the batch's mean loss a pair; returns the loss and the mean margin of the implicit reward.

    `references` holds the reference's log-probabilities of each pair, chosen and rejected.
    """
    total = margin = 0.0
    for pair, reference in zip(pairs, references, strict=True):
        chosen, rejected = policy.log_probabilities([pair.chosen, pair.rejected])
        reference_chosen, reference_rejected = torch.tensor(reference)
        loss = dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta) / len(pairs)
        torch.autograd.backward(loss)
        total += loss.item()
        margin += reward_margins(chosen, rejected, reference_chosen, reference_rejected, beta).item() / len(pairs)
    return total, margin
