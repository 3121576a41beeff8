"""Linear layers, one class a weight type: rows @ weight + bias in float32 arithmetic.

`weight` is (in, out) in any memory order: GPT-2's Conv1D layers lie as (in, out), the tied head as (vocab_size, width) and
comes here transposed. This is the seam for faster products of narrow weights.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model_layer.weights import Tensor

WIDEN_AT_ONCE = 2**15  # numbers: what is worked on stays in the second-level cache
SIGN_AND_MAGNITUDE = np.uint32(0x8FFFE000).view(np.int32)


class Linear(Protocol):
    """(tokens, in) -> (tokens, out), a new array."""

    def __call__(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Multiply and add."""


class Float32Linear:
    """Weights used as they lie in the mapped file."""

    def __init__(self, weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> None:
        self._weight = weight
        self._bias = bias

    def __call__(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(tokens, in) -> (tokens, out)."""
        result: NDArray[np.float32] = rows @ self._weight
        if self._bias is not None:
            result += self._bias
        return result


class Float16Linear:
    """Half-size weights, widened to float32 once, by the first product that needs them."""

    def __init__(self, weight: NDArray[np.float16], bias: NDArray[np.float32] | None = None) -> None:
        self._narrow = weight
        self._bias = bias
        self._wide: Float32Linear | None = None

    def __call__(self, rows: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(tokens, in) -> (tokens, out)."""
        if self._wide is None:
            self._wide = Float32Linear(widened(self._narrow), self._bias)
        return self._wide(rows)


def widened(narrow: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same finite numbers as float32, in the same memory order. Twice as fast as `astype`, which converts one by one.

    The sign, 5 bits of exponent and 10 of mantissa move to where float32 has them: sign extension and a shift by 13. The
    exponent is then 112 too low (biases 127 and 15), which a product sets right, subnormal numbers included. Example: 1.0 is
    0x3c00, shifted 0x07800000 = 2**-112.
    """
    if not narrow.flags.c_contiguous:
        return widened(narrow.T).T
    wide = np.empty(narrow.shape, np.float32)
    source, numbers = narrow.reshape(-1).view(np.int16), wide.reshape(-1)
    for begin in range(0, len(source), WIDEN_AT_ONCE):
        piece = numbers[begin : begin + WIDEN_AT_ONCE]
        bits = piece.view(np.int32)
        bits[:] = source[begin : begin + WIDEN_AT_ONCE]
        bits <<= 13
        bits &= SIGN_AND_MAGNITUDE
        piece *= np.float32(2.0**112)
    return wide


def linear(weight: Tensor, bias: NDArray[np.float32] | None = None) -> Linear:
    """The layer for the weight's type."""
    if weight.dtype == np.float16:
        return Float16Linear(weight.view(np.float16), bias)
    return Float32Linear(weight.view(np.float32), bias)
