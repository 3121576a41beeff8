"""A cache bounded by bytes, least recently used out first, whose values may share memory: what several hold counts once."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Generic

from model_layer.network import C


class SharedLru(Generic[C]):
    """Keys -> caches of sequences. Not thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[bytes, C] = OrderedDict()
        self._holders: Counter[int] = Counter()  # of each piece of memory
        self.nbytes = 0

    def __iter__(self) -> Iterator[bytes]:
        """The keys, least recently used first."""
        return iter(self._held)

    def __getitem__(self, key: bytes) -> C:
        """The value, which counts as used. Raises KeyError."""
        self._held.move_to_end(key)
        return self._held[key]

    def __setitem__(self, key: bytes, value: C) -> None:
        """Keep the value, as far as it fits at all, and let go of as many others as need be."""
        if key in self._held:
            del self[key]
        self._held[key] = value
        for piece, size in value.memory.items():
            self.nbytes += size if not self._holders[piece] else 0
            self._holders[piece] += 1
        while self.nbytes > self._max_bytes:
            del self[next(iter(self._held))]

    def __delitem__(self, key: bytes) -> None:
        """Let go of a value. Raises KeyError."""
        for piece, size in self._held.pop(key).memory.items():
            self._holders[piece] -= 1
            if not self._holders[piece]:
                del self._holders[piece]
                self.nbytes -= size
