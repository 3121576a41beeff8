"""Keys and values of one sequence in pages of PAGE_TOKENS tokens (Kwon et al. 2023, arXiv:2309.06180, section 4).

A handle is some pages and a length, and never changes. Handles share the pages of their common tokens. The one that ends where
its last page is filled grows in place; another (after an undo, or a fork) gets a copy of that page alone, so no handle ever sees
another's tokens, and the past is never copied to make room.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_layer.config import Gpt2Config

PAGE_TOKENS = 32
FLOAT32: np.dtype[np.floating] = np.dtype(np.float32)


class KvPage:
    """Room for PAGE_TOKENS tokens, of which the first `filled` are claimed by some handle.

    `keys` is (layers, heads, head_width, PAGE_TOKENS): scores are a product of queries with a matrix as it lies; `values` is
    (layers, heads, PAGE_TOKENS, head_width).
    """

    __slots__ = ("filled", "keys", "keys_address", "values", "values_address")

    def __init__(self, config: Gpt2Config, dtype: np.dtype[np.floating], filled: int = 0) -> None:
        heads, width = config.heads, config.head_width
        self.keys: NDArray[np.floating] = np.zeros((config.layers, heads, width, PAGE_TOKENS), dtype)
        self.values: NDArray[np.floating] = np.zeros((config.layers, heads, PAGE_TOKENS, width), dtype)
        self.keys_address, self.values_address = self.keys.ctypes.data, self.values.ctypes.data
        self.filled = filled


@dataclass(frozen=True, slots=True, eq=False)
class KvCache:
    """The first `length` tokens of some pages."""

    config: Gpt2Config
    dtype: np.dtype[np.floating]
    pages: tuple[KvPage, ...]
    length: int

    @classmethod
    def empty(cls, config: Gpt2Config, dtype: np.dtype[np.floating] = FLOAT32) -> "KvCache":
        """The cache of no tokens, in float32 or float16."""
        return cls(config, dtype, (), 0)

    @property
    def memory(self) -> dict[int, int]:
        """Bytes of each page behind this handle, by the page's identity."""
        page_bytes = 2 * self.config.layers * self.config.width * PAGE_TOKENS * self.dtype.itemsize
        return {id(page): page_bytes for page in self.pages}

    def shortened(self, length: int) -> "KvCache":
        """A handle on the first `length` tokens of this one; nothing is copied."""
        assert 0 <= length <= self.length
        return KvCache(self.config, self.dtype, self.pages[: _pages_for(length)], length)

    def extended(self, tokens: int) -> "KvCache":
        """A handle with room for `tokens` more, whose keys and values attention fills in. Not safe from several threads."""
        length = self.length + tokens
        assert length <= self.config.context_window
        pages = list(self.pages)
        used = self.length % PAGE_TOKENS
        if used and tokens and pages[-1].filled != used:
            pages[-1] = self._copied(pages[-1], used)
        pages += [KvPage(self.config, self.dtype) for _ in range(_pages_for(length) - len(pages))]
        for number in range(self.length // PAGE_TOKENS, len(pages)):
            pages[number].filled = max(pages[number].filled, min(PAGE_TOKENS, length - number * PAGE_TOKENS))
        return KvCache(self.config, self.dtype, tuple(pages), length)

    def _copied(self, page: KvPage, used: int) -> KvPage:
        copy = KvPage(self.config, self.dtype, filled=used)
        copy.keys[..., :used] = page.keys[..., :used]
        copy.values[..., :used, :] = page.values[..., :used, :]
        return copy


def _pages_for(tokens: int) -> int:
    return -(-tokens // PAGE_TOKENS)
