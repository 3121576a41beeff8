"""Write the standard folder of a model in the wanted precision, a piece of a tensor at a time: little memory at any size.

Only the tensors of GPT-2 are carried over, under the names that transformers gives them: the causal masks that old files
hold as buffers, and an output layer that is tied to the embedding, are not. The same input gives the same bytes.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.bake.layout import TYPES, StoredTensor, header, stored_tensors
from model_layer.bake.progress import byte_progress
from model_layer.bake.sources import CONFIG, OPTIONAL, TOKENIZER, WEIGHTS
from model_layer.config import Gpt2Config
from model_layer.errors import BakeError
from model_layer.quantization import GROUP, quantized, rows_at_once
from model_layer.vocabulary import Vocabulary
from model_layer.weights import INT8, SCALES, Tensor, Weights, expected_shapes, quantized_axis

PIECE_ELEMENTS = 2**22
# Tells other tools that the int8 numbers are no weights by themselves; transformers, which cannot read them, says so.
QUANTIZATION = {"quant_method": "token_wheel_int8", "bits": 8, "group_size": GROUP}


def write_model(source: Path, target: Path, config: Gpt2Config, dtype: str) -> None:
    """Convert the folder `source` into the existing folder `target`.

    Raises BakeError when a weight is not finite in `dtype` or the source is in int8, ModelNotLoadableError when the source is
    damaged, OSError when the disk is full.
    """
    (target / CONFIG).write_text(json.dumps(_config_of(source, dtype), indent=2) + "\n", encoding="utf-8")
    _write_tokenizer(source, target)
    if (source / OPTIONAL).is_file():
        shutil.copyfile(source / OPTIONAL, target / OPTIONAL)
    weights = Weights.open(source, config)
    if weights.quantized:
        raise BakeError(f"{source} is in int8, which lost what another bake needs: give the folder that it was baked from")
    with byte_progress(f"writing {dtype}", weights_bytes(config, dtype)) as bar:
        write_weights(target / WEIGHTS, weights, stored_tensors(config, dtype), bar.update)


def parameters(config: Gpt2Config) -> int:
    """Number of weights, each counted once."""
    return sum(map(math.prod, expected_shapes(config).values()))


def weights_bytes(config: Gpt2Config, dtype: str) -> int:
    """Bytes of the tensors in `dtype`, without the file's header."""
    return sum(tensor.nbytes for tensor in stored_tensors(config, dtype))


def write_weights(path: Path, weights: Weights, tensors: Sequence[StoredTensor], progress: Callable[[int], object]) -> None:
    """Write `tensors` in that order; `progress` is told the bytes written. Raises as `write_model` does."""
    with path.open("wb") as file:
        file.write(header(tensors))
        for tensor in tensors:
            for piece in _pieces(weights, tensor):
                progress(file.write(piece.tobytes()))


def _write_tokenizer(source: Path, target: Path) -> None:
    """The standard file and the index of it."""
    vocabulary = Vocabulary.read(source)
    if (source / TOKENIZER).is_file():
        shutil.copyfile(source / TOKENIZER, target / TOKENIZER)
    else:
        vocabulary.save(target / TOKENIZER)
        vocabulary = Vocabulary.read(target)
    vocabulary.table().write(target)


def _config_of(source: Path, dtype: str) -> dict[str, Any]:
    """The source's configuration, told its new precision (under both names: old and new transformers) and no private path."""
    config: dict[str, Any] = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    computed_in = "float32" if dtype == "int8" else dtype
    config |= {"architectures": ["GPT2LMHeadModel"], "dtype": computed_in, "torch_dtype": computed_in}
    return config | ({"quantization_config": QUANTIZATION} if dtype == "int8" else {})


def _pieces(weights: Weights, tensor: StoredTensor) -> Iterator[NDArray[Any]]:
    """What the file holds of a tensor, some rows at a time; whole groups of them where they are quantised."""
    name = tensor.name.removesuffix(SCALES)
    axis = quantized_axis(name)
    for rows in _finite_rows(name, _floats(weights, name)):
        if axis is None or (tensor.name == name and tensor.type != INT8):
            yield _rounded(tensor, rows)
            continue
        narrow = quantized(rows, axis)
        yield narrow.values if tensor.name == name else narrow.scales


def _floats(weights: Weights, name: str) -> Tensor:
    weight = weights[name]
    assert isinstance(weight, np.ndarray), "an int8 source is refused"
    return weight


def _finite_rows(name: str, whole: Tensor) -> Iterator[Tensor]:
    matrix = whole.reshape(-1, whole.shape[-1])
    at_once = rows_at_once(matrix.shape, PIECE_ELEMENTS)
    for begin in range(0, len(matrix), at_once):
        rows = matrix[begin : begin + at_once]
        if not np.isfinite(rows).all():
            raise BakeError(f"{name} holds values that are not finite")
        yield rows


def _rounded(tensor: StoredTensor, rows: Tensor) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # shows as infinity, which is refused
        values = rows.astype(TYPES[tensor.type], copy=False)
    if not np.isfinite(values).all():
        raise BakeError(f"{tensor.name} holds values beyond the range of float16: bake with --dtype float32")
    return values
