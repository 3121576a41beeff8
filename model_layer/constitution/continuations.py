"""Texts that a model writes after prompts: seeded, many in one forward pass, each the same as if it were alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_layer.continuous_batch import ContinuousBatch
from model_layer.language_model import LanguageModel
from model_layer.sampling import draw_rank, probabilities, rank_order, seeded_uniform


@dataclass(frozen=True, slots=True)
class Sampling:
    """How texts are drawn. Token i of a text takes the number that its seed gives for turn i, as a session's spin does."""

    max_new_tokens: int = 40
    temperature: float = 0.8
    top_k: int = 40


@dataclass(slots=True)
class _Writing:
    """One text under way: reads logits, gives tokens, keeps them."""

    model: LanguageModel
    seed: str
    sampling: Sampling
    longest: int
    token_ids: list[int] = field(default_factory=list)

    def __call__(self, logits: NDArray[np.float32]) -> int | None:
        p = probabilities(logits, temperature=self.sampling.temperature, top_k=self.sampling.top_k)
        order = rank_order(p)
        sums = np.cumsum(p[order])
        rank = int(draw_rank(sums / sums[-1], seeded_uniform(self.seed, len(self.token_ids))))
        token_id = int(order[min(rank, order.size - 1)])
        if token_id == self.model.end_of_text_id:
            return None
        self.token_ids.append(token_id)
        return token_id if len(self.token_ids) < self.longest else None


def continuations(model: LanguageModel, prompts: Sequence[str], seeds: Sequence[str], sampling: Sampling) -> list[str]:
    """What the model writes after each prompt, without the prompt; one seed for each. Raises as `LanguageModel` does."""
    batch = ContinuousBatch(model)
    texts = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        ids = model.encode(prompt) or [model.end_of_text_id]
        ids = ids[-(model.context_window - 1) :]
        room = min(sampling.max_new_tokens, model.context_window - len(ids))
        texts.append(_Writing(model, seed, sampling, room))
        batch.add(ids, [texts[-1]], longest=min(len(ids) + room, model.context_window))
    while not batch.is_empty:
        batch.step()
    return [model.decode(text.token_ids) for text in texts]
