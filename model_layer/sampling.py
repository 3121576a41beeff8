"""Next-token distributions out of logits, and draws from them: pure NumPy, float64.

Warping goes temperature, top-k, top-p, min-p, renormalise. Randomness is an argument: a draw is a function of one number u.
"""

import hashlib
import math
import secrets

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNIFORM_BITS = 53  # of a double's significand: every u is exact
TWO_TO_53 = float(1 << UNIFORM_BITS)


def probabilities(
    logits: ArrayLike, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0
) -> NDArray[np.float64]:
    """The warped distribution by token id, (vocab_size,), with sum 1; a token that a filter takes out has exactly 0.

    temperature 0 is greedy: all of the mass on the likeliest token, the lowest id on ties. top_k keeps exactly k tokens, the
    lower ids on ties; 0 keeps all. top_p keeps the smallest set of the likeliest tokens whose share of what top-k left is at
    least top_p (arxiv 1904.09751). min_p keeps what has at least min_p times the highest probability (arxiv 2407.01082).

    Raises ValueError when a setting makes no sense or the logits hold NaN or +infinity.
    """
    _check_settings(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    values = np.array(logits, dtype=np.float64)  # (vocab_size,)
    if temperature == 0:
        return _greedy(values)
    p = _softmax(values, temperature)
    if not (top_k or top_p < 1 or min_p):
        return p
    count = top_k or p.size
    if top_p < 1:
        count = _nucleus_size(np.sort(p)[::-1][:count], top_p)
    if count < p.size:
        p = np.where(_first(p, count), p, 0)
    if min_p > 0:
        p[p < min_p * p.max()] = 0
    return np.asarray(p / p.sum())


def log_probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    """The model's own log-probabilities, natural, at temperature 1: log-softmax over the last axis, the vocabulary."""
    values = np.asarray(logits, dtype=np.float64)  # (..., vocab_size)
    below_highest = values - values.max(axis=-1, keepdims=True)
    return np.asarray(below_highest - np.log(np.exp(below_highest).sum(axis=-1, keepdims=True)))


def rank_order(p: NDArray[np.float64]) -> NDArray[np.intp]:
    """Token ids by falling probability, ties by id: the token of rank 1 comes first. (vocab_size,) -> (vocab_size,)."""
    return np.argsort(-p, kind="stable")


def first_ranks(p: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """`rank_order(p)[:count]`; of a few ranks in a tenth of the time, as only they are put in order."""
    floor = _floor(p, count)
    candidates = np.flatnonzero(p >= floor if floor > 0 else p > 0)
    first = candidates[_falling(p[candidates])[:count]]
    return np.append(first, np.flatnonzero(p == 0)[: count - first.size]) if first.size < count else first


def draw_rank(cumulative: NDArray[np.float64], u: ArrayLike) -> NDArray[np.intp]:
    """The inverse CDF: for every u in [0, cumulative[-1]) the first index whose cumulative sum lies above it.

    Sums [0.5, 0.8, 0.8, 1.0]: u = 0.49 gives 0, u = 0.5 gives 1, u = 0.8 gives 3; index 2 has probability 0 and is never drawn.
    """
    return np.asarray(np.searchsorted(cumulative, u, side="right"))


def seeded_uniform(seed: str, turn_index: int) -> float:
    """The u in [0, 1) of a turn, the same in every language: the first 53 bits of SHA-256("{seed}:{turn_index}") / 2^53."""
    digest = hashlib.sha256(f"{seed}:{turn_index}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - UNIFORM_BITS)) / TWO_TO_53


def system_uniform() -> float:
    """A u in [0, 1) from 53 random bits of the operating system."""
    return secrets.randbits(UNIFORM_BITS) / TWO_TO_53


def _check_settings(*, temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    sensible = math.isfinite(temperature) and temperature >= 0 and top_k >= 0 and 0 < top_p <= 1 and 0 <= min_p <= 1
    if not sensible:
        raise ValueError("wanted: temperature >= 0 and finite, top_k >= 0, 0 < top_p <= 1, 0 <= min_p <= 1")


def _greedy(values: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.zeros_like(values)
    p[np.argmax(values)] = 1
    return p


def _softmax(values: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    highest = values.max()
    if not math.isfinite(highest):
        raise ValueError("logits must be finite")
    p: NDArray[np.float64] = values - highest
    with np.errstate(over="ignore"):  # a minute temperature sends all but the highest to -infinity, whose exp is 0: greedy
        p /= temperature
    np.exp(p, out=p)  # in place: fresh memory for a vocabulary of doubles takes as long as the arithmetic
    p /= p.sum()
    return p


def _falling(p: NDArray[np.float64]) -> NDArray[np.intp]:
    """A stable argsort of -p, in a seventh of the time: NumPy's fast sort is not stable, so equal neighbours are put in order."""
    order = np.argsort(-p)
    equal = np.diff(p[order]) == 0
    if equal.any():
        tied = np.flatnonzero(np.append(equal, False) | np.insert(equal, 0, False))
        order[tied] = order[tied][np.lexsort((order[tied], -p[order[tied]]))]
    return order


def _first(p: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Whether each token is among the `count` likeliest, of equals the lower ids."""
    floor = _floor(p, count)
    candidates = p[p >= floor] if floor > 0 else p[p > 0]
    last = candidates.size - count
    least = np.partition(candidates, last)[last] if last > 0 or floor > 0 else 0.0
    first: NDArray[np.bool_] = p > least
    first[np.flatnonzero(p == least)[: count - np.count_nonzero(first)]] = True
    return first


def _floor(p: NDArray[np.float64], count: int) -> float:
    """What at least `count` tokens reach, and few more: the least of the maxima of `count` blocks. 0 when it tells nothing.

    [0.4, 0.1, 0.2, 0.3] in 2 blocks of every other: maxima 0.4 and 0.3, so the 2 likeliest have 0.3 or more.
    """
    width = p.size // count
    return float(p[: width * count].reshape(width, count).max(axis=0).min()) if width else 0.0


def _nucleus_size(ranked: NDArray[np.float64], top_p: float) -> int:
    """How many of the likeliest hold top_p of all. Ranked [0.5, 0.3, 0.1], top_p 0.8: shares 0.56, 0.89, 1.0, so 2."""
    cumulative = np.cumsum(ranked)
    return min(ranked.size, int(np.searchsorted(cumulative / cumulative[-1], top_p, side="left")) + 1)
