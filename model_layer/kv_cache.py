"""Keys and values of one sequence, append-only: many handles (buffer, length) read one buffer, one of them may grow in place.

A handle never changes. The handle that ends where its buffer is filled is extended in place; a shorter one (after an undo, or
for a fork) is extended into a copy, so no handle ever sees another's tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_layer.config import Gpt2Config

LEAST_CAPACITY = 32


class KvBuffer:
    """Room for `capacity` tokens, of which `filled` are claimed by some handle."""

    __slots__ = ("filled", "tensors")

    def __init__(self, config: Gpt2Config, capacity: int) -> None:
        shape = (config.layers, 2, config.heads, capacity, config.head_width)
        self.tensors: NDArray[np.float32] = np.empty(shape, np.float32)
        self.filled = 0

    @property
    def capacity(self) -> int:
        """Tokens for which there is room."""
        return int(self.tensors.shape[3])


@dataclass(frozen=True, slots=True, eq=False)
class KvCache:
    """The first `length` tokens of a buffer."""

    config: Gpt2Config
    buffer: KvBuffer
    length: int

    @classmethod
    def empty(cls, config: Gpt2Config) -> "KvCache":
        """The cache of no tokens."""
        return cls(config, KvBuffer(config, 0), 0)

    @property
    def nbytes(self) -> int:
        """Memory of the whole buffer behind this handle."""
        return self.buffer.tensors.nbytes

    def shortened(self, length: int) -> "KvCache":
        """A handle on the first `length` tokens of this one; nothing is copied."""
        assert 0 <= length <= self.length
        return KvCache(self.config, self.buffer, length)

    def extended(self, tokens: int) -> "KvCache":
        """A handle with room for `tokens` more, whose keys and values `store` fills in. Not safe from several threads."""
        length = self.length + tokens
        assert length <= self.config.context_window
        buffer = self.buffer
        if self.length != buffer.filled or length > buffer.capacity:
            buffer = KvBuffer(self.config, _capacity(length, self.config.context_window))
            buffer.tensors[:, :, :, : self.length] = self.buffer.tensors[:, :, :, : self.length]
        buffer.filled = length
        return KvCache(self.config, buffer, length)

    def store(self, layer: int, new: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the last tokens' keys and values, (2, heads, tokens, head_width), and give all, (2, heads, length, head_width)."""
        held: NDArray[np.float32] = self.buffer.tensors[layer, :, :, : self.length]
        held[:, :, self.length - new.shape[2] :] = new
        return held


def _capacity(tokens: int, context_window: int) -> int:
    """The least power of two with room for the tokens and one more, from LEAST_CAPACITY, up to the context window."""
    return min(max(LEAST_CAPACITY, 1 << tokens.bit_length()), context_window)
