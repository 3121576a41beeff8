"""The layers in pure NumPy, for machines where the C kernels were not built, and as the plain statement of what those compute.

Half-size and quarter-size weights are widened to float32 once, by the first product that needs them. All arithmetic is float32.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_layer.activations import ACTIVATIONS
from model_layer.config import Gpt2Config
from model_layer.kv_cache import PAGE_TOKENS
from model_layer.layers import Attention, Linear, Normalisation, Rows, Span, attention_scale
from model_layer.quantization import Quantized
from model_layer.weights import Weight
from model_layer.widening import widened

QUERY_BLOCK = 128  # queries scored at once: heads x 128 x context_window scores, 6 MB for GPT-2 124M


class NumpyLayers:
    """Makes layers that compute in NumPy."""

    def __init__(self, cache_dtype: np.dtype[np.floating]) -> None:
        self.cache_dtype = cache_dtype

    def linear(self, weight: Weight, bias: NDArray[np.float32], activation: str | None = None) -> Linear:
        """A layer whose weight lies as (in, out)."""
        return NumpyLinear(weight, bias, activation)

    def head(self, weight: Weight) -> Linear:
        """A layer whose weight lies as (out, in)."""
        return NumpyLinear(weight.T, None, None)

    def normalisation(self, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> Normalisation:
        """Layer normalisation with these gains and biases."""
        return NumpyNormalisation(gain, bias, epsilon)

    def attention(self, config: Gpt2Config, spans: Sequence[Span]) -> Attention:
        """The attention of one forward pass."""
        return NumpyAttention(config, spans)


class NumpyLinear:
    """`weight` is (in, out) in any memory order."""

    def __init__(self, weight: Weight, bias: NDArray[np.float32] | None, activation: str | None) -> None:
        self._narrow = weight
        self._wide: NDArray[np.float32] | None = None
        self._bias = bias
        self._activation = None if activation is None else ACTIVATIONS[activation]

    def __call__(self, rows: Rows, /) -> Rows:
        """(tokens, in) -> (tokens, out)."""
        if self._wide is None:
            self._wide = _in_float32(self._narrow)
        result: Rows = rows @ self._wide
        if self._bias is not None:
            result += self._bias
        return result if self._activation is None else self._activation(result)

    def add_to(self, sums: Rows, rows: Rows, /) -> None:
        """Add the result to `sums`."""
        sums += self(rows)


class NumpyNormalisation:
    """Layer normalisation over the width."""

    def __init__(self, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> None:
        self._gain = gain
        self._bias = bias
        self._epsilon = np.float32(epsilon)
        self._share = np.float32(1 / len(gain))

    def __call__(self, rows: Rows, /) -> Rows:
        """(tokens, width) -> (tokens, width)."""
        mean: Rows = np.add.reduce(rows, axis=-1, keepdims=True) * self._share  # (tokens, 1)
        centred = rows - mean
        variance = np.einsum("tw,tw->t", centred, centred)[:, None] * self._share
        centred /= np.sqrt(variance + self._epsilon)
        centred *= self._gain
        centred += self._bias
        return centred


class NumpyAttention:
    """Attention by blocks of queries, so that memory stays flat."""

    def __init__(self, config: Gpt2Config, spans: Sequence[Span]) -> None:
        self._config = config
        self._spans = spans

    def __call__(self, layer: int, mixed: Rows, /) -> Rows:
        """(tokens, 3 width) -> (tokens, width)."""
        heads, width = self._config.heads, self._config.head_width
        queries, keys, values = mixed.reshape(-1, 3, heads, width).transpose(1, 2, 0, 3)  # (heads, tokens, head_width) each
        queries *= np.float32(attention_scale(self._config, layer))
        attended = np.empty((len(mixed), heads, width), np.float32)
        for span in self._spans:
            rows = slice(span.begin, span.end)
            _remember(span, layer, keys[:, rows], values[:, rows])
            for begin in range(span.begin, span.end, QUERY_BLOCK):
                end = min(begin + QUERY_BLOCK, span.end)
                attended[begin:end] = _attended(queries[:, begin:end], span, layer, span.before + end - span.begin)
        return attended.reshape(len(mixed), -1)


def _in_float32(weight: Weight) -> NDArray[np.float32]:
    if isinstance(weight, Quantized):
        return weight.dequantized()
    return weight.view(np.float32) if weight.dtype == np.float32 else widened(weight.view(np.float16))


def _remember(span: Span, layer: int, keys: Rows, values: Rows) -> None:
    """Put new keys and values, (heads, new tokens, head_width), into the pages."""
    length = span.before + keys.shape[1]
    for page in range(span.before // PAGE_TOKENS, -(-length // PAGE_TOKENS)):
        first, last = max(page * PAGE_TOKENS, span.before), min((page + 1) * PAGE_TOKENS, length)
        slots = slice(first - page * PAGE_TOKENS, last - page * PAGE_TOKENS)
        new = slice(first - span.before, last - span.before)
        span.cache.pages[page].keys[layer, :, :, slots] = keys[:, new].transpose(0, 2, 1)
        span.cache.pages[page].values[layer, :, slots] = values[:, new]


def _attended(queries: Rows, span: Span, layer: int, seen: int) -> NDArray[np.float32]:
    """Scaled queries (heads, block, head_width), the last of which is token `seen` - 1 -> (block, heads, head_width)."""
    heads, block, _ = queries.shape
    pages = span.cache.pages[: -(-seen // PAGE_TOKENS)]
    scores = np.empty((heads, block, len(pages) * PAGE_TOKENS), np.float32)
    for number, page in enumerate(pages):
        np.matmul(queries, page.keys[layer], out=scores[:, :, number * PAGE_TOKENS : (number + 1) * PAGE_TOKENS])
    positions = np.arange(seen - block, seen)[:, None]
    scores[:, np.arange(scores.shape[2]) > positions] = -np.inf  # later tokens, and what the last page has no token for
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= np.add.reduce(scores, axis=-1, keepdims=True)
    attended = np.zeros(queries.shape, np.float32)
    for number, page in enumerate(pages):
        attended += scores[:, :, number * PAGE_TOKENS : (number + 1) * PAGE_TOKENS] @ page.values[layer]
    return attended.transpose(1, 0, 2)
