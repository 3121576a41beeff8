"""The activations of GPT-2's feed-forward layers, under the names that `config.json` uses for them.

Each takes and returns (tokens, inner_width) float32. Sigmoids are written by tanh, which cannot overflow.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Activation = Callable[[NDArray[np.float32]], NDArray[np.float32]]

ERF_SCALE = np.float32(0.3275911)
ERF_COEFFICIENTS = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))


def gelu_tanh(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tanh form of GELU, arXiv:1606.08415 section 2: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    result = x * x
    result *= np.float32(0.044715)
    result += np.float32(1)
    result *= x
    result *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(result, out=result)
    result += np.float32(1)
    result *= x
    result *= np.float32(0.5)
    return result


def gelu_exact(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """GELU itself, x Phi(x) (arXiv:1606.08415 eq. 2), by `erf` below."""
    result = erf(x * np.float32(math.sqrt(0.5)))
    result += np.float32(1)
    result *= x
    result *= np.float32(0.5)
    return result


def erf(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The error function by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: off by 1.5e-7 and rounding."""
    magnitude = np.abs(x)
    t = np.float32(1) / (np.float32(1) + ERF_SCALE * magnitude)
    polynomial = np.zeros_like(t)
    for coefficient in ERF_COEFFICIENTS:
        polynomial += coefficient
        polynomial *= t
    result: NDArray[np.float32] = np.copysign(np.float32(1) - polynomial * np.exp(-magnitude * magnitude), x)
    return result


def sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-x))."""
    result: NDArray[np.float32] = np.tanh(np.float32(0.5) * x)
    result += np.float32(1)
    result *= np.float32(0.5)
    return result


def silu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sigmoid linear unit, x sigmoid(x), also called swish."""
    return x * sigmoid(x)


def quick_gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sigmoid form of GELU, arXiv:1606.08415 section 2: x sigmoid(1.702 x)."""
    return x * sigmoid(np.float32(1.702) * x)


def relu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """max(x, 0)."""
    return np.maximum(x, np.float32(0))


def tanh(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The hyperbolic tangent."""
    return np.tanh(x)


ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": gelu_exact,
    "gelu_python": gelu_exact,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_accurate": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": relu,
    "silu": silu,
    "swish": silu,
    "tanh": tanh,
}
