"""How likely a model finds given texts: log-probabilities of completions, perplexity of texts."""

from collections.abc import Sequence

import numpy as np

from model_layer.language_model import LanguageModel
from model_layer.sampling import log_probabilities


def completion_log_probability(model: LanguageModel, prompt: str, completion: str) -> float:
    """The natural log-probability of a completion after a prompt, its tokens summed; both are tokenised by themselves."""
    before = model.encode(prompt) or [model.end_of_text_id]
    after = model.encode(completion)
    ids = (before + after)[: model.context_window]
    return float(_token_log_probabilities(model, ids)[len(before) - 1 :].sum())


def perplexity(model: LanguageModel, text: str) -> float:
    """Exp of the mean surprise (nats) of every token but the first."""
    return float(np.exp(-_token_log_probabilities(model, model.encode(text)[: model.context_window]).mean()))


def _token_log_probabilities(model: LanguageModel, token_ids: Sequence[int]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Of every token but the first, (tokens - 1,), given those before it."""
    hidden = model.hidden_states(token_ids)[:-1]
    each = log_probabilities(model.logits(hidden))
    return np.asarray(each[np.arange(len(token_ids) - 1), list(token_ids[1:])])
