"""The weights of a GPT-2 folder: one memory-mapped safetensors file whose every size is checked before it is used.

Format: https://huggingface.co/docs/safetensors - eight bytes with the header's length, a JSON header, the tensors' bytes.
A matrix in int8 is two tensors, NAME and NAME.scales: see quantization.py.
"""

import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.errors import ModelNotLoadableError
from model_layer.quantization import Axis, Quantized, scales_shape

WEIGHTS_FILE = "model.safetensors"
PREFIX = "transformer."  # save_pretrained writes it, OpenAI's own gpt2 has none
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # the format's own limit
DTYPES: Mapping[str, type[np.float32] | type[np.float16]] = {"F32": np.float32, "F16": np.float16}
INT8 = "I8"
SCALES = ".scales"
EMBEDDING, POSITIONS, UNTIED_HEAD = "wte.weight", "wpe.weight", "lm_head.weight"

Tensor = NDArray[np.float32] | NDArray[np.float16]
Weight = Tensor | Quantized
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of the header; `begin` and `end` count bytes from the end of the header."""

    dtype: str
    shape: Shape
    begin: int
    end: int


class Weights:
    """The tensors of one GPT-2 by their names without prefix, as read-only views of the mapped file."""

    def __init__(self, entries: Mapping[str, TensorEntry], mapped: mmap.mmap, data_start: int) -> None:
        self._entries = entries
        self._mapped = mapped
        self._data_start = data_start

    @classmethod
    def open(cls, folder: Path, config: Gpt2Config) -> "Weights":
        """Map the folder's weights. Raises ModelNotLoadableError unless every tensor that `config` calls for is there, whole."""
        path = folder / WEIGHTS_FILE
        if not path.is_file():
            raise ModelNotLoadableError(f"{folder} has no {WEIGHTS_FILE} (weights in parts or pickled are not read)")
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelNotLoadableError(f"{path} cannot be mapped: {error}") from error
        entries, data_start = _header(path, mapped)
        weights = cls({name.removeprefix(PREFIX): entry for name, entry in entries.items()}, mapped, data_start)
        weights._require_all(expected_shapes(config))
        return weights

    def __getitem__(self, name: str) -> Weight:
        """The tensor of that name, not copied."""
        axis = quantized_axis(name)
        if axis is None or self._entries[name].dtype != INT8:
            return self._array(name, DTYPES[self._entries[name].dtype])
        return Quantized(self._array(name, np.int8), self._array(name + SCALES, np.float32), axis)

    def float32(self, name: str) -> NDArray[np.float32]:
        """The numbers of a tensor as float32, not copied if they are."""
        weight = self[name]
        return weight.dequantized() if isinstance(weight, Quantized) else weight.astype(np.float32, copy=False)

    @property
    def quantized(self) -> bool:
        """Whether the matrices are in int8: all of them are or none."""
        return self._entries[EMBEDDING].dtype == INT8

    @property
    def memory(self) -> NDArray[np.uint8]:
        """The whole mapped file; a bake writes the tensors in the order of their use."""
        return np.frombuffer(self._mapped, np.uint8)

    @property
    def exact(self) -> bool:
        """Whether the matrices are in float32."""
        return self._entries[EMBEDDING].dtype == "F32"

    def _array(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        """The tensor's numbers; copied only where the file has them at an address that is odd for their type."""
        entry = self._entries[name]
        flat: NDArray[Any] = np.frombuffer(self._mapped, dtype, math.prod(entry.shape), self._data_start + entry.begin)
        return np.require(flat, requirements=["ALIGNED"]).reshape(entry.shape)

    def _require_all(self, shapes: Mapping[str, Shape]) -> None:
        for name in shapes:
            if name not in self._entries:
                raise ModelNotLoadableError(f"{WEIGHTS_FILE} has no tensor {name}")
        for name, shape in shapes.items():
            axis = quantized_axis(name)
            if self.quantized and axis is not None:
                self._require(name, shape, {INT8: np.int8})
                self._require_scales(name + SCALES, scales_shape(shape, axis))
            else:
                self._require(name, shape, DTYPES)

    def _require(self, name: str, shape: Shape, dtypes: Mapping[str, type[np.generic]]) -> None:
        entry = self._entries[name]
        if entry.dtype not in dtypes:
            raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} is {entry.dtype}, not {' or '.join(dtypes)}")
        if entry.shape != shape:
            raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} is {list(entry.shape)}, config.json says {list(shape)}")
        if entry.end - entry.begin != math.prod(shape) * np.dtype(dtypes[entry.dtype]).itemsize:
            raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} has another number of bytes than its shape says")

    def _require_scales(self, name: str, shape: Shape) -> None:
        if name not in self._entries:
            raise ModelNotLoadableError(f"{WEIGHTS_FILE} has no tensor {name}")
        self._require(name, shape, {"F32": np.float32})
        scales = self._array(name, np.float32)
        if not (scales.min() >= 0 and scales.max() < np.inf):  # a NaN is neither
            raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} holds scales that are negative or not finite")


def float32_rows(weight: Weight, indices: NDArray[np.intp]) -> NDArray[np.float32]:
    """Some rows of an embedding as float32, (indices, width), copied."""
    return weight.rows(indices) if isinstance(weight, Quantized) else weight[indices].astype(np.float32, copy=False)


def full_name(name: str) -> str:
    """The name of a tensor as transformers writes it."""
    return name if name.startswith(UNTIED_HEAD) else PREFIX + name


def quantized_axis(name: str) -> Axis | None:
    """Along which axis a product sums over this tensor, for the tensors that may be in int8; None for all others."""
    if name in (EMBEDDING, UNTIED_HEAD):
        return 1
    return 0 if name.startswith("h.") and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")) else None


def expected_shapes(config: Gpt2Config) -> dict[str, Shape]:
    """Every tensor of a GPT-2 of this configuration with its shape, in the order in which a forward pass reads them.

    Its linear layers are (in, out). The tied embedding is the last: the first layer reads a few rows of it, the head all.
    """
    width, inner = config.width, config.inner_width
    positions: dict[str, Shape] = {POSITIONS: (config.context_window, width)}
    embedding: dict[str, Shape] = {EMBEDDING: (config.vocab_size, width)}
    shapes = positions if config.tie_word_embeddings else embedding | positions
    for layer in range(config.layers):
        block = {
            "ln_1": (width,),
            "attn.c_attn": (width, 3 * width),
            "attn.c_proj": (width, width),
            "ln_2": (width,),
            "mlp.c_fc": (width, inner),
            "mlp.c_proj": (inner, width),
        }
        for name, shape in block.items():
            shapes[f"h.{layer}.{name}.weight"] = shape
            shapes[f"h.{layer}.{name}.bias"] = shape[-1:]
    shapes |= {"ln_f.weight": (width,), "ln_f.bias": (width,)}
    return shapes | (embedding if config.tie_word_embeddings else {UNTIED_HEAD: (config.vocab_size, width)})


def _header(path: Path, mapped: mmap.mmap) -> tuple[dict[str, TensorEntry], int]:
    """The file's tensors and where their bytes start. Raises ModelNotLoadableError for a file that is not whole."""
    length = int.from_bytes(mapped[:LENGTH_BYTES], "little")
    data_start = LENGTH_BYTES + length
    if length > MAX_HEADER_BYTES or data_start > len(mapped):
        raise ModelNotLoadableError(f"{path} is no safetensors file: its header is longer than the file")
    try:
        fields = json.loads(mapped[LENGTH_BYTES:data_start])
        entries = {name: _entry(value) for name, value in fields.items() if name != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelNotLoadableError(f"{path} is no safetensors file: its header cannot be read") from error
    by_position = sorted(entries.values(), key=lambda entry: (entry.begin, entry.end))
    if any(entry.begin < 0 or entry.end < entry.begin for entry in by_position):
        raise ModelNotLoadableError(f"{path}: a tensor ends before it begins")
    if any(entry.end > len(mapped) - data_start for entry in by_position):
        raise ModelNotLoadableError(f"{path} is cut short: a tensor lies beyond its end")
    if any(after.begin < before.end for before, after in pairwise(by_position)):
        raise ModelNotLoadableError(f"{path}: two tensors overlap")
    return entries, data_start


def _entry(value: Mapping[str, Any]) -> TensorEntry:
    begin, end = value["data_offsets"]
    sizes = [*value["shape"], begin, end]
    if any(type(size) is not int for size in sizes):
        raise TypeError("a shape and offsets are whole numbers")
    return TensorEntry(str(value["dtype"]), tuple(value["shape"]), begin, end)
