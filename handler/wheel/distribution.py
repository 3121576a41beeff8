"""A whole next-token distribution, tail included; only what is asked for is sorted, and only such tokens become objects."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_layer.errors import TokenIdOutOfRangeError
from model_layer.sampling import draw_rank

FULL_CIRCLE = 360.0


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


@dataclass(frozen=True, eq=False)
class RankedDistribution:
    """The whole distribution, tail included; the probabilities go by token id.

    `head` holds the ids of the first ranks and `head_sums` the cumulative sums to their ends: enough for all slices and most
    draws. The tail, tens of thousands of tokens, is sorted when a draw lands there.
    """

    probabilities: NDArray[np.float64]
    model_probabilities: NDArray[np.float64]
    head: NDArray[np.intp]
    head_sums: NDArray[np.float64]
    token_bytes: Callable[[int], bytes]

    @cached_property
    def ranked(self) -> NDArray[np.float64]:
        """All probabilities by rank."""
        return np.sort(self.probabilities)[::-1]

    @cached_property
    def cumulative(self) -> NDArray[np.float64]:
        """Cumulative sums to the ends of all ranks, `head_sums` first: 1 minus what comes after, summed from the least on."""
        tail = self.ranked[self.head.size :]
        sums = 1 - np.append(np.cumsum(tail[:0:-1])[::-1], 0.0)[: tail.size]
        return np.concatenate([self.head_sums, np.maximum(sums, self.head_sums[-1])])

    def token_at(self, rank: int) -> int:
        """The token of a rank from 1 to vocab_size; of equals the lower ids come first."""
        if rank <= self.head.size:
            return int(self.head[rank - 1])
        equals = np.flatnonzero(self.probabilities == self.ranked[rank - 1])
        return int(equals[rank - self.rank_of(int(equals[0]))])

    def rank_at(self, u: float) -> int:
        """The rank that u in [0, 1) lands on, by angles: pointer and ends of slices are compared as they are shown."""
        rank = int(draw_rank(self.head_sums * FULL_CIRCLE, u * FULL_CIRCLE)) + 1
        return rank if rank <= self.head.size else int(draw_rank(self.cumulative * FULL_CIRCLE, u * FULL_CIRCLE)) + 1

    def share(self, rank: int) -> TokenShare:
        """The token of a rank from 1 to vocab_size."""
        token_id = self.token_at(rank)
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
        p = self.probabilities
        if not 0 <= token_id < p.size:
            raise TokenIdOutOfRangeError(vocab_size=p.size)
        likelier = np.count_nonzero(p > p[token_id]) + np.count_nonzero(p[:token_id] == p[token_id])
        return int(likelier) + 1

    def entropy(self) -> float:
        """The entropy in bits."""
        p = self.probabilities[self.probabilities > 0]
        # Not p @ log2(p): BLAS would wake its threads for it, which takes longer than the sum.
        return max(0.0, -float((p * np.log2(p)).sum()))
