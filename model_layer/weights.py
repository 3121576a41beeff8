"""The weights of a GPT-2 folder: one memory-mapped safetensors file whose every size is checked before it is used.

Format: https://huggingface.co/docs/safetensors - eight bytes with the header's length, a JSON header, the tensors' bytes.
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

WEIGHTS_FILE = "model.safetensors"
PREFIX = "transformer."  # save_pretrained writes it, OpenAI's own gpt2 has none
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # the format's own limit
DTYPES: Mapping[str, type[np.float32] | type[np.float16]] = {"F32": np.float32, "F16": np.float16}

Tensor = NDArray[np.float32] | NDArray[np.float16]
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
        weights._require(expected_shapes(config))
        return weights

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of that name, not copied."""
        entry = self._entries[name]
        flat: NDArray[Any] = np.frombuffer(
            self._mapped, DTYPES[entry.dtype], math.prod(entry.shape), self._data_start + entry.begin
        )
        return flat.reshape(entry.shape)

    def float32(self, name: str) -> NDArray[np.float32]:
        """A small tensor as float32."""
        return self[name].astype(np.float32, copy=False)

    def _require(self, shapes: Mapping[str, Shape]) -> None:
        for name, shape in shapes.items():
            entry = self._entries.get(name)
            if entry is None:
                raise ModelNotLoadableError(f"{WEIGHTS_FILE} has no tensor {name}")
            if entry.dtype not in DTYPES:
                raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} is {entry.dtype}, not one of {', '.join(DTYPES)}")
            if entry.shape != shape:
                raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} is {list(entry.shape)}, config.json says {list(shape)}")
            if entry.end - entry.begin != math.prod(shape) * np.dtype(DTYPES[entry.dtype]).itemsize:
                raise ModelNotLoadableError(f"{WEIGHTS_FILE}: {name} has another number of bytes than its shape says")


def expected_shapes(config: Gpt2Config) -> dict[str, Shape]:
    """Every tensor that a GPT-2 of this configuration has, with its shape. Its linear layers are (in, out)."""
    width, inner = config.width, config.inner_width
    shapes: dict[str, Shape] = {"wte.weight": (config.vocab_size, width), "wpe.weight": (config.context_window, width)}
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
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, width)
    return shapes


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
