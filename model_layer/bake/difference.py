"""How far one model's distributions lie from another's, over every position of some texts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from model_layer import sampling
from model_layer.bake.texts import TEXTS
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel

LONG_TOKENS = 200  # more than one block of queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One model against another over `contexts` distributions at temperature 1; logarithms and KL divergences are in nats.

    `top_1_agreement` is the share of contexts in which both find the same token likeliest.
    """

    contexts: int
    max_probability_change: float
    max_log_probability_change: float
    mean_kl: float
    max_kl: float
    top_1_agreement: float

    def rounded(self) -> dict[str, float]:
        """The figures to two digits: beyond them they depend on the machine's arithmetic, and a manifest should not."""
        exact = {"contexts": self.contexts, "top_1_agreement": round(self.top_1_agreement, 4)}
        return {name: float(f"{value:.1e}") for name, value in asdict(self).items()} | exact


def difference(reference: LanguageModel, other: LanguageModel, texts: Sequence[str] = TEXTS) -> Difference:
    """`other` against `reference` over the whole vocabulary at every position of `texts`; KL is D(reference || other)."""
    compared = (_compared(reference, other, token_ids) for token_ids in _sequences(reference, texts))
    probability, log_probability, kl, same_top = (np.concatenate(figures) for figures in zip(*compared, strict=True))
    return Difference(
        contexts=len(kl),
        max_probability_change=float(probability.max()),
        max_log_probability_change=float(log_probability.max()),
        mean_kl=float(kl.mean()),
        max_kl=float(kl.max()),
        top_1_agreement=float(same_top.mean()),
    )


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


def _compared(
    reference: LanguageModel, other: LanguageModel, token_ids: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Change of probability, change of log-probability, KL and whether the top is the same, each (positions,)."""
    log_p, log_q = log_probabilities(reference, token_ids), log_probabilities(other, token_ids)  # (positions, vocab_size)
    p, change = np.exp(log_p), log_p - log_q
    kl = np.maximum((p * change).sum(-1), 0)  # never negative but for rounding
    return np.abs(p - np.exp(log_q)).max(-1), np.abs(change).max(-1), kl, log_p.argmax(-1) == log_q.argmax(-1)


def _of_finite(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    if not np.isfinite(logits).all():
        raise BakeError("the model computes logits that are not finite")
    return sampling.log_probabilities(logits)


def _sequences(model: LanguageModel, texts: Sequence[str]) -> Iterator[list[int]]:
    for text in texts:
        token_ids = model.encode(text)[: model.context_window]
        yield token_ids or [model.end_of_text_id]  # a tiny tokenizer may have no token for any of it
