"""The layers over the C kernels: weights are read as they lie in the mapped file, in float32, float16 or int8.

Results have the same bits in a step, a batch and a prefill, on any number of threads. What the kernels do not compute, a rare
activation, is left to NumPy.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.activations import ACTIVATIONS, gelu_tanh
from model_layer.config import Gpt2Config
from model_layer.kernels.binding import (
    GELU_TANH,
    IDENTITY,
    TYPES,
    AttentionTask,
    Matrix,
    Normalisation,
    Product,
    address,
    rows_address,
)
from model_layer.layers import Attention, Linear, Rows, Span, attention_scale
from model_layer.layers import Normalisation as NormalisationLayer
from model_layer.quantization import Axis, Quantized, scales_shape
from model_layer.weights import Weight


class KernelLayers:
    """Makes layers that compute by the functions of `library`."""

    def __init__(self, library: ctypes.CDLL, cache_dtype: np.dtype[np.floating]) -> None:
        self._library = library
        self.cache_dtype = cache_dtype

    def linear(self, weight: Weight, bias: NDArray[np.float32], activation: str | None = None) -> Linear:
        """A layer whose weight lies as (in, out)."""
        return KernelLinear(self._library.kernels_columns, weight, weight.shape, bias, activation, contracted=0)

    def head(self, weight: Weight) -> Linear:
        """A layer whose weight lies as (out, in)."""
        return KernelLinear(self._library.kernels_dots, weight, weight.shape[::-1], None, None, contracted=1)

    def normalisation(self, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> NormalisationLayer:
        """Layer normalisation with these gains and biases."""
        return KernelNormalisation(self._library.kernels_layer_norm, gain, bias, epsilon)

    def attention(self, config: Gpt2Config, spans: Sequence[Span]) -> Attention:
        """The attention of one forward pass."""
        return KernelAttention(self._library.kernels_attend, config, self.cache_dtype, spans)


class KernelLinear:
    """`shape` is (in, out), whichever way the weight lies; `contracted` is its axis of inputs."""

    def __init__(
        self,
        kernel: Any,
        weight: Weight,
        shape: tuple[int, ...],
        bias: NDArray[np.float32] | None,
        activation: str | None,
        *,
        contracted: Axis,
    ) -> None:
        self._kernel = kernel
        self._inputs, self._outputs = shape
        self._held = (weight, bias)  # the matrix below has their addresses only
        numbers = weight.values if isinstance(weight, Quantized) else weight
        kernel_has_it = activation is not None and ACTIVATIONS[activation] is gelu_tanh
        self._activation = None if activation is None or kernel_has_it else ACTIVATIONS[activation]
        self._matrix = Matrix(
            weight=address(numbers, numbers.dtype.type, weight.shape),
            scales=address(weight.scales, np.float32, scales_shape(weight.shape, contracted))
            if isinstance(weight, Quantized)
            else None,
            bias=None if bias is None else address(bias, np.float32, (self._outputs,)),
            inputs=self._inputs,
            outputs=self._outputs,
            type=TYPES[numbers.dtype],
            activation=GELU_TANH if kernel_has_it else IDENTITY,
        )
        self._task = Product(ctypes.pointer(self._matrix))

    def __call__(self, rows: Rows, /) -> Rows:
        """(tokens, in) -> (tokens, out)."""
        result = np.empty((len(rows), self._outputs), np.float32)
        self._multiply(rows, result, accumulate=False)
        return result if self._activation is None else self._activation(result)

    def add_to(self, sums: Rows, rows: Rows, /) -> None:
        """Add the result to `sums`."""
        assert self._activation is None
        assert self._matrix.activation == IDENTITY
        self._multiply(rows, sums, accumulate=True)

    def _multiply(self, rows: Rows, result: Rows, *, accumulate: bool) -> None:
        if len(rows) != len(result):
            raise ValueError("as many rows go in as come out")
        task = self._task
        task.x, task.y = rows_address(rows, self._inputs), rows_address(result, self._outputs)
        task.rows, task.accumulate = len(rows), accumulate
        self._kernel(task)


class KernelNormalisation:
    """Layer normalisation over the width."""

    def __init__(self, kernel: Any, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> None:
        self._kernel = kernel
        self._width = len(gain)
        self._held = (gain, bias)
        addresses = (address(numbers, np.float32, gain.shape) for numbers in self._held)
        self._task = Normalisation(None, *addresses, None, self._width, epsilon)

    def __call__(self, rows: Rows, /) -> Rows:
        """(tokens, width) -> (tokens, width)."""
        result = np.empty_like(rows)
        self._task.x, self._task.y = rows_address(rows, self._width), rows_address(result, self._width)
        self._kernel(self._task, len(rows))
        return result


class KernelAttention:
    """Attention over the pages of the spans, whose addresses are gathered once a forward pass."""

    def __init__(self, kernel: Any, config: Gpt2Config, dtype: np.dtype[np.floating], spans: Sequence[Span]) -> None:
        self._kernel = kernel
        self._config = config
        self._tokens = spans[-1].end
        pages = [page for span in spans for page in span.cache.pages]
        counts = [len(span.cache.pages) for span in spans]
        self._held = (
            pages,
            np.array([span.begin for span in spans], np.int64),
            np.array([span.end - span.begin for span in spans], np.int64),
            np.array([span.before for span in spans], np.int64),
            np.cumsum([0, *counts[:-1]], dtype=np.int64),
            np.array([page.keys_address for page in pages], np.uintp),
            np.array([page.values_address for page in pages], np.uintp),
        )
        self._layer_bytes = pages[0].keys[0].nbytes
        self._task = AttentionTask(
            None,
            None,
            *(numbers.ctypes.data for numbers in self._held[1:]),
            spans=len(spans),
            heads=config.heads,
            head_width=config.head_width,
            type=TYPES[dtype],
        )

    def __call__(self, layer: int, mixed: Rows, /) -> Rows:
        """(tokens, 3 width) -> (tokens, width)."""
        attended = np.empty((self._tokens, self._config.width), np.float32)
        task = self._task
        if len(mixed) != self._tokens:
            raise ValueError("the rows are not those of the spans")
        task.mixed = rows_address(mixed, 3 * self._config.width)
        task.attended = rows_address(attended, self._config.width)
        task.page_offset = layer * self._layer_bytes
        task.scale = attention_scale(self._config, layer)
        self._kernel(task)
        return attended
