"""How far one model's distributions lie from another's, over every position of some texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from model_layer import sampling
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel

# Fixed, so that the figures of two bakes compare; with punctuation, numbers and bytes beyond ASCII.
TEXTS = (
    "Once upon a time there was a",
    "The train left at 7:45, and by noon they had seen the sea.",
    '"Où est le café?" she asked, and nobody knew what to say \U0001f600',
    "In 1969 three people flew to the moon. The first of them to walk on it was",
)

LONG_TOKENS = 200  # more than one block of queries


@dataclass(frozen=True, slots=True)
class Difference:
    """Greatest change of a log-probability and greatest KL divergence of a position, both in nats."""

    log_probability: float
    kl: float

    def rounded(self) -> dict[str, float]:
        """Both to two digits: beyond them they depend on the machine's arithmetic, and a manifest should not."""
        return {"max_log_probability_change": float(f"{self.log_probability:.1e}"), "max_kl": float(f"{self.kl:.1e}")}


def difference(reference: LanguageModel, other: LanguageModel, texts: Sequence[str] = TEXTS) -> Difference:
    """`other` against `reference` over the whole vocabulary at every position of `texts`; KL is D(reference || other)."""
    log_probability, kl = 0.0, 0.0
    for token_ids in _sequences(reference, texts):
        p, q = log_probabilities(reference, token_ids), log_probabilities(other, token_ids)  # (positions, vocab_size)
        log_probability = max(log_probability, float(np.abs(p - q).max()))
        kl = max(kl, float((np.exp(p) * (p - q)).sum(-1).max()))
    return Difference(log_probability, kl)


def served_difference(reference: LanguageModel, served: LanguageModel) -> float:
    """Greatest change of a log-probability, in nats, on the ways that serving takes and short texts do not.

    They are a pass over LONG_TOKENS tokens (the context window if that is shorter), and one step over the cache of a prefill.
    """
    endless = chain.from_iterable(_sequences(reference, TEXTS * LONG_TOKENS))  # a text has one token at least
    token_ids = list(islice(endless, min(LONG_TOKENS, reference.context_window)))
    expected = log_probabilities(reference, token_ids)
    whole = float(np.abs(log_probabilities(served, token_ids) - expected).max())
    middle = max(1, len(token_ids) // 2)
    served.next_logits(token_ids[:middle])
    step = _of_finite(served.next_logits(token_ids[: middle + 1]))
    return max(whole, float(np.abs(step - expected[: middle + 1][-1]).max()))


def log_probabilities(model: LanguageModel, token_ids: Sequence[int]) -> NDArray[np.float64]:
    """Log-softmax of the logits after each position, (positions, vocab_size). Raises BakeError when one is not finite."""
    return _of_finite(model.logits(model.hidden_states(token_ids)))


def _of_finite(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    if not np.isfinite(logits).all():
        raise BakeError("the model computes logits that are not finite")
    return sampling.log_probabilities(logits)


def _sequences(model: LanguageModel, texts: Sequence[str]) -> Iterator[list[int]]:
    for text in texts:
        token_ids = model.encode(text)[: model.context_window]
        yield token_ids or [model.end_of_text_id]  # a tiny tokenizer may have no token for any of it
