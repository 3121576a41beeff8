"""How likely a model finds a given text, token by token."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handler.wheel.distribution import token_text
from model_layer.errors import EmptySequenceError
from model_layer.language_model import LanguageModel
from model_layer.sampling import log_probabilities

POSITIONS_PER_PIECE = 64  # their logits are in memory at once: 64 x 50,257 doubles are 26 MB


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token after those before it. The first has nothing before it: no probability, no logarithm, no rank."""

    token_id: int
    token_bytes: bytes
    probability: float | None = None
    log_probability: float | None = None
    rank: int | None = None

    @property
    def token_text(self) -> str:
        """The token alone as text."""
        return token_text(self.token_bytes)


@dataclass(frozen=True, slots=True)
class Score:
    """The model's own judgement: temperature 1, no filter. Logarithms are natural, sums leave out the first token.

    A single token has neither a perplexity nor bits per character (of the characters after the first token).
    """

    tokens: tuple[ScoredToken, ...]
    total_log_probability: float
    perplexity: float | None
    bits_per_character: float | None


def score(model: LanguageModel, text: str) -> Score:
    """Score a text. Raises EmptySequenceError, ContextWindowExceededError."""
    token_ids = model.encode(text)
    if not token_ids:
        raise EmptySequenceError("there is no token to score: give a text")
    first = ScoredToken(token_ids[0], model.token_bytes(token_ids[0]))
    tokens = (first, *_scored(model, token_ids))
    total = math.fsum(token.log_probability or 0.0 for token in tokens)
    characters = len(text) - len(model.decode(token_ids[:1]))
    return Score(
        tokens,
        total,
        perplexity=math.exp(-total / (len(tokens) - 1)) if len(tokens) > 1 else None,
        bits_per_character=-total / math.log(2) / characters if characters > 0 else None,
    )


def _scored(model: LanguageModel, token_ids: list[int]) -> Iterator[ScoredToken]:
    """Every token but the first."""
    hidden = model.hidden_states(token_ids)[:-1]  # (tokens - 1, width): position i tells of token i + 1
    for start in range(0, len(hidden), POSITIONS_PER_PIECE):
        piece = slice(start, start + POSITIONS_PER_PIECE)
        rows = model.logits(hidden[piece]).astype(np.float64)  # (positions, vocab_size)
        for logits, token_id in zip(rows, token_ids[1:][piece], strict=True):
            log_probability, rank = _judged(logits, token_id)
            yield ScoredToken(token_id, model.token_bytes(token_id), math.exp(log_probability), log_probability, rank)


def _judged(logits: NDArray[np.float64], token_id: int) -> tuple[float, int]:
    """Log-probability and rank (1-based, ties by id) of a token."""
    likelier = np.count_nonzero(logits > logits[token_id]) + np.count_nonzero(logits[:token_id] == logits[token_id])
    return float(log_probabilities(logits)[token_id]), int(likelier) + 1
