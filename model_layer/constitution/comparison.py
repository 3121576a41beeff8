"""One prompt, two models: what each writes with the same seed, and how far their next wheels are apart."""

from dataclasses import dataclass

import numpy as np

from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.errors import DifferentVocabulariesError
from model_layer.language_model import LanguageModel
from model_layer.sampling import log_probabilities

MOVED = 10


@dataclass(frozen=True, slots=True)
class MovedToken:
    """A token whose probability changed."""

    token_id: int
    token_bytes: bytes
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """`kl` is KL(after || before) in nats: how surprised the first model would be by the second's next token."""

    text_before: str
    text_after: str
    kl: float
    total_variation: float
    moved: tuple[MovedToken, ...]


def compare(before: LanguageModel, after: LanguageModel, prompt: str, seed: str, sampling: Sampling) -> Comparison:
    """Both models must have one vocabulary, as a tuned model has that of its base. Raises DifferentVocabulariesError."""
    if before.vocab_size != after.vocab_size:
        raise DifferentVocabulariesError("the two models have different tokens: compare a model with what was tuned from it")
    ids = (before.encode(prompt) or [before.end_of_text_id])[-before.context_window :]
    log_p, log_q = (log_probabilities(model.next_logits(ids)) for model in (before, after))
    p, q = np.exp(log_p), np.exp(log_q)
    order = np.argsort(-np.abs(q - p), kind="stable")[:MOVED]
    texts = [continuations(model, [prompt], [seed], sampling)[0] for model in (before, after)]
    return Comparison(
        text_before=texts[0],
        text_after=texts[1],
        kl=max(0.0, float((q * (log_q - log_p)).sum())),
        total_variation=float(np.abs(q - p).sum() / 2),
        moved=tuple(MovedToken(int(one), before.token_bytes(int(one)), float(p[one]), float(q[one])) for one in order),
    )
