"""A whole next-token distribution, tail included, by rank; only tokens that are asked for become objects."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_layer.errors import TokenIdOutOfRangeError


def token_text(token_bytes: bytes) -> str:
    """A token alone as text; bytes that are only a part of a character show as escapes: backslash, x, two digits."""
    return token_bytes.decode("utf-8", errors="backslashreplace")


@dataclass(frozen=True, slots=True)
class TokenShare:
    """One token of a wheel. `rank` is 1-based over the whole vocabulary; `log_probability` (natural) is None at probability 0.

    `model_probability` is the model's own: temperature 1 and no filter.
    """

    token_id: int
    token_bytes: bytes
    probability: float
    log_probability: float | None
    model_probability: float
    rank: int

    @property
    def token_text(self) -> str:
        """The token alone as text."""
        return token_text(self.token_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class RankedDistribution:
    """The whole distribution, tail included. `ranking` and `cumulative` go by rank, the probabilities by token id."""

    probabilities: NDArray[np.float64]
    model_probabilities: NDArray[np.float64]
    ranking: NDArray[np.intp]
    cumulative: NDArray[np.float64]
    token_bytes: Callable[[int], bytes]

    def share(self, rank: int) -> TokenShare:
        """The token of a rank from 1 to vocab_size."""
        token_id = int(self.ranking[rank - 1])
        probability = float(self.probabilities[token_id])
        return TokenShare(
            token_id=token_id,
            token_bytes=self.token_bytes(token_id),
            probability=probability,
            log_probability=math.log(probability) if probability > 0 else None,
            model_probability=float(self.model_probabilities[token_id]),
            rank=rank,
        )

    def rank_of(self, token_id: int) -> int:
        """The rank of a token. Raises TokenIdOutOfRangeError."""
        if not 0 <= token_id < self.ranking.size:
            raise TokenIdOutOfRangeError(vocab_size=self.ranking.size)
        return int(np.flatnonzero(self.ranking == token_id)[0]) + 1

    def entropy(self) -> float:
        """The entropy in bits."""
        p = self.probabilities[self.probabilities > 0]
        return max(0.0, -float(p @ np.log2(p)))
