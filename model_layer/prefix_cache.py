"""What was computed lately: bounded by bytes, least recently used out first, in memory only.

Any prefix of a cached sequence serves, so that an undo or a fork computes only what is new.
"""

from array import array
from collections.abc import Sequence
from threading import Lock
from typing import Generic

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from model_layer.network import C
from model_layer.shared_lru import SharedLru

LOGITS_SHARE = 8  # one part in eight of the bytes holds logits, the others keys and values
ID_BYTES = 4


class PrefixCache(Generic[C]):
    """Token ids -> the network's cache of their longest known prefix, and -> the logits after exactly them. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        logits_bytes = max_bytes // LOGITS_SHARE
        self._caches: SharedLru[C] = SharedLru(max_bytes - logits_bytes)
        self._logits: LRUCache[bytes, NDArray[np.float32]] = LRUCache(logits_bytes, getsizeof=lambda logits: logits.nbytes)
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now, at most `max_bytes`."""
        with self._lock:
            return int(self._caches.nbytes + self._logits.currsize)

    def logits(self, token_ids: Sequence[int]) -> NDArray[np.float32] | None:
        """The logits (vocab_size,) after exactly these tokens, when they are still here."""
        with self._lock:
            return self._logits.get(_key(token_ids))

    def longest_prefix(self, token_ids: Sequence[int]) -> C | None:
        """The cache of the longest known prefix that leaves at least one token to run; None when even the first is new."""
        key = _key(token_ids[:-1])
        with self._lock:
            best, shared = None, 0
            for candidate in self._caches:
                if candidate.startswith(key[: (shared + 1) * ID_BYTES]) and len(key) > shared * ID_BYTES:
                    best, shared = candidate, _shared_tokens(candidate, key)
            return None if best is None else self._caches[best].shortened(shared)

    def remember(self, token_ids: Sequence[int], cache: C, logits: NDArray[np.float32] | None = None) -> None:
        """Keep what one sequence's pass gave. Its known prefixes go: the longer cache serves in their place."""
        key = _key(token_ids)
        with self._lock:
            for shorter in [known for known in self._caches if key.startswith(known)]:
                del self._caches[shorter]
            self._caches[key] = cache
            if logits is not None and logits.nbytes <= self._logits.maxsize:
                self._logits[key] = logits


def _key(token_ids: Sequence[int]) -> bytes:
    """The ids as bytes of one fixed size each: prefixes of keys are keys of prefixes."""
    return array("i", token_ids).tobytes()


def _shared_tokens(one: bytes, other: bytes) -> int:
    """How many first tokens two keys have in common, by bisection."""
    low, high = 0, min(len(one), len(other)) // ID_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[: middle * ID_BYTES]):
            low = middle
        else:
            high = middle - 1
    return low
