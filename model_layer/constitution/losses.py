"""The two losses of the lab, of logits and of log-probabilities; in nats."""

import torch
from torch.nn.functional import cross_entropy, logsigmoid

IGNORED = -100  # a target that cross_entropy leaves out: loss and gradient are exactly 0 there


def sequence_log_probabilities(logits: torch.Tensor, token_ids: torch.Tensor, completion_mask: torch.Tensor) -> torch.Tensor:
    """Log p(completion | prompt) of each row: the sum over its completion tokens y_t of log softmax(logits_{t-1})[y_t].

    logits (rows, positions, vocab_size), token_ids and completion_mask (rows, positions) -> (rows,). The first token of a row
    has no logits before it and is no completion.
    """
    targets = token_ids[:, 1:].masked_fill(~completion_mask[:, 1:], IGNORED)
    nats = cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return -nats.view_as(targets).sum(-1)


def sft_loss(log_probabilities: torch.Tensor, *, completion_tokens: int) -> torch.Tensor:
    """Cross-entropy of the completion tokens alone: L = -(1/T) sum_rows log p(y | x), T completion tokens in the whole batch.

    The mean over the tokens of a batch is a sum over its parts when each part is given the T of the whole:
    log_probabilities (rows of a part,) -> ().
    """
    return -log_probabilities.sum() / completion_tokens


def reward_margins(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """How much more the policy rewards the chosen completion y_w than the rejected y_l, (pairs,), by the implicit reward.

    r(x, y) = beta log(pi(y|x) / pi_ref(y|x)), https://arxiv.org/abs/2305.18290 section 5; the margin is r(x, y_w) - r(x, y_l).
    """
    return beta * ((policy_chosen - reference_chosen) - (policy_rejected - reference_rejected))


def dpo_loss(
    policy_chosen: torch.Tensor,
    policy_rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Direct preference optimisation of each pair, (pairs,); https://arxiv.org/abs/2305.18290 equation 7.

    L = -log sigmoid(beta log(pi(y_w|x) / pi_ref(y_w|x)) - beta log(pi(y_l|x) / pi_ref(y_l|x))), log-probabilities (pairs,).
    A policy that is its own reference has the loss ln 2, whatever the pair.
    """
    return -logsigmoid(reward_margins(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta))
