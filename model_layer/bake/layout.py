"""Which tensors a baked file holds, in which type and order: the first forward pass reads it from front to back.

What is small comes first (biases, norms and scales, float32 in an int8 folder), then the matrices in the order of their use.
Tensors of this format leave no gap. So it is the order that puts each at a multiple of its type's size, and the length of the
header that puts the first matrix, and with it every matrix whose size is one, at a multiple of ALIGNMENT.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_layer.config import Gpt2Config
from model_layer.quantization import scales_shape
from model_layer.weights import INT8, POSITIONS, SCALES, Shape, expected_shapes, full_name, quantized_axis

ALIGNMENT = 64  # bytes, a cache line: the products read the mapped weights in place
TYPES: Mapping[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), INT8: np.dtype("i1")}
FLOATS = {"float16": "F16", "float32": "F32"}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a baked file; `type` is the format's name for that of its numbers."""

    name: str
    type: str
    shape: Shape

    @property
    def nbytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * TYPES[self.type].itemsize


def stored_tensors(config: Gpt2Config, dtype: str) -> list[StoredTensor]:
    """The tensors of a model baked in `dtype`, in the order of the file."""
    tensors = [tensor for name, shape in expected_shapes(config).items() for tensor in _stored_as(name, shape, dtype)]
    return sorted(tensors, key=_is_matrix)  # stable: both parts stay in the order of use


def header(tensors: Sequence[StoredTensor]) -> bytes:
    """Length and JSON header of a safetensors file: https://huggingface.co/docs/safetensors/index#format."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.nbytes
        entries[full_name(tensor.name)] = {"dtype": tensor.type, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    before_matrices = 8 + len(text) + sum(tensor.nbytes for tensor in tensors if not _is_matrix(tensor))
    text += b" " * (-before_matrices % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _stored_as(name: str, shape: Shape, dtype: str) -> list[StoredTensor]:
    if dtype in FLOATS:
        return [StoredTensor(name, FLOATS[dtype], shape)]
    axis = quantized_axis(name)
    if axis is None:
        return [StoredTensor(name, "F16" if name == POSITIONS else "F32", shape)]
    return [StoredTensor(name + SCALES, "F32", scales_shape(shape, axis)), StoredTensor(name, INT8, shape)]


def _is_matrix(tensor: StoredTensor) -> bool:
    return len(tensor.shape) == 2 and not tensor.name.endswith(SCALES)
