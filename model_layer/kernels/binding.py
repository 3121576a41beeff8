"""The kernels' shared library: loaded once, its functions with their types. No address goes in that was not checked here."""

import ctypes
import logging
from ctypes import POINTER, Structure, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.kernels import LIBRARY
from model_layer.kv_cache import PAGE_TOKENS
from model_layer.quantization import GROUP

FLOAT32 = np.dtype(np.float32)
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int8): 2}
IDENTITY, GELU_TANH = 0, 1

ABSENT = "no C kernels: NumPy computes, several times slower (build them with python -m model_layer.kernels.build)"

log = logging.getLogger(__name__)


class Matrix(Structure):
    """`struct matrix` of kernels.h."""

    _fields_ = (
        ("weight", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
        ("inputs", c_int64),
        ("outputs", c_int64),
        ("type", c_int32),
        ("activation", c_int32),
    )


class Product(Structure):
    """`struct product` of kernels.h."""

    _fields_ = (("matrix", POINTER(Matrix)), ("x", c_void_p), ("y", c_void_p), ("rows", c_int64), ("accumulate", c_int64))


class Normalisation(Structure):
    """`struct normalisation` of kernels.h."""

    _fields_ = (
        ("x", c_void_p),
        ("gain", c_void_p),
        ("bias", c_void_p),
        ("y", c_void_p),
        ("width", c_int64),
        ("epsilon", c_float),
    )


class AttentionTask(Structure):
    """`struct attention` of kernels.h."""

    _fields_ = (
        ("mixed", c_void_p),
        ("attended", c_void_p),
        ("begin", c_void_p),
        ("count", c_void_p),
        ("before", c_void_p),
        ("first_page", c_void_p),
        ("keys", c_void_p),
        ("values", c_void_p),
        ("spans", c_int64),
        ("heads", c_int64),
        ("head_width", c_int64),
        ("page_offset", c_int64),
        ("scale", c_float),
        ("type", c_int32),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The library on its best path; None, and one line in the log, when it was not built or cannot be loaded here."""
    try:
        loaded = load(LIBRARY)
    except (OSError, AttributeError):  # absent, for another processor, or of other sources
        log.warning(ABSENT)
        return None
    return loaded


def load(path: Any) -> ctypes.CDLL:
    """The library in a file, on the best path of this processor. Raises OSError or AttributeError."""
    loaded = ctypes.CDLL(str(path))
    sizes = (c_int64 * 6)()
    loaded.kernels_layout(sizes)
    if list(sizes) != [GROUP, PAGE_TOKENS, *map(ctypes.sizeof, (Matrix, Product, Normalisation, AttentionTask))]:
        raise OSError(f"{path} was built from other sources")
    loaded.kernels_path.argtypes, loaded.kernels_path.restype = [c_int], c_char_p
    loaded.kernels_use_path.argtypes, loaded.kernels_use_path.restype = [c_char_p], c_int
    loaded.kernels_use_threads.argtypes, loaded.kernels_use_threads.restype = [c_int], None
    for name, task in {"columns": Product, "dots": Product, "attend": AttentionTask}.items():
        function = getattr(loaded, f"kernels_{name}")
        function.argtypes, function.restype = [POINTER(task)], None
    loaded.kernels_layer_norm.argtypes, loaded.kernels_layer_norm.restype = [POINTER(Normalisation), c_int64], None
    loaded.kernels_touch.argtypes, loaded.kernels_touch.restype = [c_void_p, c_int64], ctypes.c_uint
    loaded.kernels_use_path(loaded.kernels_path(0))
    return loaded


def paths(loaded: ctypes.CDLL) -> list[str]:
    """Names of the instruction sets that this processor can run, the best first."""
    names: list[str] = []
    while name := loaded.kernels_path(len(names)):
        names.append(name.decode())
    return names


def rows_address(rows: NDArray[np.float32], width: int) -> int:
    """Where the numbers of (tokens, width) lie. Raises ValueError, TypeError or BufferError for what kernels cannot use."""
    if rows.dtype != FLOAT32 or rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"kernels need rows of {width} float32 numbers")
    # It refuses what is read-only or not contiguous, and is quicker than `ctypes.data`.
    return ctypes.addressof(c_char.from_buffer(rows.data))


def address(array: NDArray[Any], kind: type[np.generic], shape: tuple[int, ...]) -> int:
    """Where the array's numbers lie. Raises ValueError unless it is of that type and shape and C-contiguous."""
    if array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"kernels need a C-contiguous {kind.__name__} array of shape {shape}")
    return array.ctypes.data
