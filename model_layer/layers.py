"""What the network computes with, and the two ways of it: numpy_layers.py, and kernels/layers.py over the C kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.kv_cache import KvCache
from model_layer.weights import Weight

Rows = NDArray[np.float32]  # (tokens, features), C-contiguous


@dataclass(frozen=True, slots=True)
class Span:
    """The rows begin .. end - 1 that one sequence has in the packed batch, after `before` tokens of its cache."""

    begin: int
    end: int
    before: int
    cache: KvCache  # with room for the new tokens


class Linear(Protocol):
    """x @ weight + bias, then the activation if the layer has one."""

    def __call__(self, rows: Rows, /) -> Rows:
        """(tokens, in) -> (tokens, out), a new array."""

    def add_to(self, sums: Rows, rows: Rows, /) -> None:
        """Add the result for `rows`, (tokens, in), to `sums`, (tokens, out). Only for a layer without activation."""


class Normalisation(Protocol):
    """Layer normalisation over the width (arXiv:1607.06450 eq. 3)."""

    def __call__(self, rows: Rows, /) -> Rows:
        """(tokens, width) -> (tokens, width), a new array."""


class Attention(Protocol):
    """Causal attention of a batch's spans, softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, eq. 1)."""

    def __call__(self, layer: int, mixed: Rows, /) -> Rows:
        """Queries, keys and values of the new tokens, (tokens, 3 width) -> (tokens, width), a new array.

        Puts keys and values into the spans' caches, and may overwrite what it was given.
        """


class Layers(Protocol):
    """Makes the layers of one network. Weights are used as they lie in the mapped file."""

    cache_dtype: np.dtype[np.floating]  # of keys and values

    def linear(self, weight: Weight, bias: NDArray[np.float32], activation: str | None = None) -> Linear:
        """A layer whose weight lies as (in, out), as GPT-2's Conv1D does."""

    def head(self, weight: Weight) -> Linear:
        """A layer whose weight lies as (out, in), as the embedding does."""

    def normalisation(self, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> Normalisation:
        """Layer normalisation with these gains and biases, (width,)."""

    def attention(self, config: Gpt2Config, spans: Sequence[Span]) -> Attention:
        """The attention of one forward pass."""


def attention_scale(config: Gpt2Config, layer: int) -> float:
    """What queries are multiplied by: 1 / sqrt(head_width), and 1 / (layer + 1) where the configuration says so."""
    scale = config.head_width**-0.5 if config.scale_attn_weights else 1.0
    return scale / (layer + 1) if config.scale_attn_by_inverse_layer_idx else scale
