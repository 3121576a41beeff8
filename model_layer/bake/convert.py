"""Write the standard folder of a model in the wanted precision, a piece of a tensor at a time: little memory at any size.

Only the tensors of GPT-2 are carried over, under the names that transformers gives them: the causal masks that old files
hold as buffers, and an output layer that is tied to the embedding, are not. The same input gives the same bytes.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from model_layer.bake.progress import byte_progress
from model_layer.bake.sources import CONFIG, OPTIONAL, TOKENIZER, WEIGHTS
from model_layer.config import Gpt2Config
from model_layer.errors import BakeError
from model_layer.tokenizer import Tokenizer
from model_layer.weights import PREFIX, Shape, Weights, expected_shapes

PIECE_ELEMENTS = 2**22
ALIGNMENT = 64  # a cache line: the products read the mapped weights in place
STORED_AS: Mapping[str, tuple[str, np.dtype[Any]]] = {"float16": ("F16", np.dtype("<f2")), "float32": ("F32", np.dtype("<f4"))}
UNTIED_HEAD = "lm_head.weight"


def write_model(source: Path, target: Path, config: Gpt2Config, dtype: str) -> None:
    """Convert the folder `source` into the existing folder `target`.

    Raises BakeError when a weight is not finite in `dtype`, ModelNotLoadableError when the source is damaged, OSError when
    the disk is full.
    """
    (target / CONFIG).write_text(json.dumps(_config_of(source, dtype), indent=2) + "\n", encoding="utf-8")
    if (source / TOKENIZER).is_file():
        shutil.copyfile(source / TOKENIZER, target / TOKENIZER)
    else:
        Tokenizer(source).save(target / TOKENIZER)
    if (source / OPTIONAL).is_file():
        shutil.copyfile(source / OPTIONAL, target / OPTIONAL)
    shapes = expected_shapes(config)
    with byte_progress(f"writing {dtype}", weights_bytes(config, dtype)) as bar:
        write_weights(target / WEIGHTS, Weights.open(source, config), shapes, dtype, bar.update)


def parameters(config: Gpt2Config) -> int:
    """Number of weights, each counted once."""
    return sum(map(math.prod, expected_shapes(config).values()))


def weights_bytes(config: Gpt2Config, dtype: str) -> int:
    """Bytes of the tensors in `dtype`, without the file's header."""
    return parameters(config) * STORED_AS[dtype][1].itemsize


def write_weights(
    path: Path, weights: Weights, shapes: Mapping[str, Shape], dtype: str, progress: Callable[[int], object]
) -> None:
    """Write the tensors of `shapes` in that order; `progress` is told the bytes written. Raises as `write_model` does."""
    with path.open("wb") as file:
        file.write(_header(shapes, dtype))
        for name in shapes:
            for piece in _pieces(weights, name):
                progress(_write_piece(file, name, piece, dtype))


def _config_of(source: Path, dtype: str) -> dict[str, Any]:
    """The source's configuration, told its new precision (under both names: old and new transformers) and no private path."""
    config: dict[str, Any] = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    return config | {"architectures": ["GPT2LMHeadModel"], "dtype": dtype, "torch_dtype": dtype}


def _pieces(weights: Weights, name: str) -> Iterator[NDArray[np.float32] | NDArray[np.float16]]:
    flat = weights[name].reshape(-1)
    for start in range(0, flat.size, PIECE_ELEMENTS):
        yield flat[start : start + PIECE_ELEMENTS]


def _write_piece(file: BinaryIO, name: str, piece: NDArray[np.float32] | NDArray[np.float16], dtype: str) -> int:
    with np.errstate(over="ignore"):  # shows as infinity, which is refused below
        values = piece.astype(STORED_AS[dtype][1], copy=False)
    if not np.isfinite(values).all():
        why = "beyond the range of float16: bake with --dtype float32" if np.isfinite(piece).all() else "that are not finite"
        raise BakeError(f"{name} holds values {why}")
    return file.write(values.tobytes())


def _header(shapes: Mapping[str, Shape], dtype: str) -> bytes:
    """Length and JSON header of a safetensors file: https://huggingface.co/docs/safetensors/index#format."""
    stored, itemsize = STORED_AS[dtype][0], STORED_AS[dtype][1].itemsize
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        end = offset + math.prod(shape) * itemsize
        full_name = name if name == UNTIED_HEAD else PREFIX + name
        entries[full_name] = {"dtype": stored, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
