"""Byte-pair encoding of one piece of text (Sennrich et al. 2016, arxiv 1508.07909, algorithm 1), as GPT-2 uses it on bytes."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranks = Mapping[int, int]
GONE = -1


def ranks_of(merges: NDArray[Any]) -> Ranks:
    """The rank of each pair of token ids, (left << 32) + right; `merges` is (merges, 3), left, right and merged, best first."""
    pairs = merges.astype(np.int64)
    return dict(zip(((pairs[:, 0] << 32) + pairs[:, 1]).tolist(), count()))


def merged(token_ids: Sequence[int], ranks: Ranks, results: Sequence[int]) -> list[int]:
    """The ids of a piece, those of its bytes at first, after all merges: the pair of the lowest rank first, leftmost on ties.

    `results` are the ids that the merges make, by rank. With the merges b+c, a+bc, a+b in that order: "abc" is a, bc after one
    merge and abc after two; a+b never is.

    A heap of the pairs keeps the time at n log n, so that no text can hold up the others.
    """
    symbols = list(token_ids)
    before, after = list(range(-1, len(symbols) - 1)), list(range(1, len(symbols) + 1))

    def rank_at(left: int) -> int | None:
        right = after[left]
        return ranks.get((symbols[left] << 32) + symbols[right]) if right < len(symbols) else None

    heap = [(rank, left) for left in range(len(symbols)) if (rank := rank_at(left)) is not None]
    heapify(heap)
    while heap:
        rank, left = heappop(heap)
        if rank_at(left) != rank:  # one of the two was merged with another meanwhile
            continue
        right = after[left]
        symbols[left], symbols[right] = results[rank], GONE
        after[left] = after[right]
        if after[left] < len(symbols):
            before[after[left]] = left
        for changed in (before[left], left):
            if changed >= 0 and (new := rank_at(changed)) is not None:
                heappush(heap, (new, changed))
    return [symbol for symbol in symbols if symbol != GONE]
