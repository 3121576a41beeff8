"""A model folder is whole or refused in one line; half-size weights lose nothing on the way to float32."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_layer.errors import ModelNotLoadableError, UnsupportedArchitectureError
from model_layer.language_model import Engine, LanguageModel
from model_layer.widening import WIDEN_AT_ONCE, widened
from tests.tiny_models import make_tiny_model

Header = dict[str, Any]
FIRST = "transformer.h.0.attn.c_attn.bias"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that nothing is wrong with."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


def assert_refused(folder: Path, reason: str, engine: Engine = "numpy") -> None:
    """Opening fails in one line that names the reason."""
    with pytest.raises(ModelNotLoadableError, match=reason) as refused:
        LanguageModel.open(folder, engine=engine)
    assert "\n" not in str(refused.value)


def rewrite_header(folder: Path, change: Callable[[Header], object]) -> None:
    """Change the header of the folder's weights, and nothing else."""
    path = folder / "model.safetensors"
    file = path.read_bytes()
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + file[start:])


def test_a_rewritten_header_alone_harms_nothing(folder: Path) -> None:
    """The damage below is what is refused, not the way it is done."""
    rewrite_header(folder, lambda _: None)
    assert LanguageModel.open(folder).name == "model"


@pytest.mark.parametrize("engine", ["numpy", "transformers"])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, file: str, engine: Engine) -> None:
    """A folder without one of its files is refused by both engines, with the file's name."""
    (folder / file).unlink()
    assert_refused(folder, file, engine)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there cannot be loaded."""
    assert_refused(tmp_path / "nowhere", "nowhere")


@pytest.mark.parametrize("size", [0, 7, 8, 1000, 100_000, -1])
def test_a_file_cut_short_is_refused(folder: Path, size: int) -> None:
    """Weights cut at any place are refused before anything is read from them."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert_refused(folder, "model.safetensors")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header: header.pop(FIRST), "no tensor h.0.attn.c_attn.bias"),
        (lambda header: header[FIRST].update(dtype="BF16"), "is BF16"),
        (lambda header: header[FIRST].update(dtype="F16"), "another number of bytes"),
        (lambda header: header[FIRST].update(shape=[72, 2]), "config.json says"),
        (lambda header: header[FIRST].update(shape=[-144]), "config.json says"),
        (lambda header: header[FIRST].update(data_offsets=[4, 580]), "overlap"),
        (lambda header: header[FIRST].update(data_offsets=[-576, 0]), "ends before it begins"),
        (lambda header: header[FIRST].update(data_offsets=[2**40, 2**40 + 576]), "beyond its end"),
        (lambda header: header[FIRST].update(data_offsets=[0.0, 576.0]), "cannot be read"),
        (lambda header: header[FIRST].update(data_offsets=[0]), "cannot be read"),
        (lambda header: header[FIRST].pop("shape"), "cannot be read"),
        (lambda header: header.update({FIRST: None}), "cannot be read"),
    ],
)
def test_a_damaged_header_is_refused(folder: Path, change: Callable[[Header], object], reason: str) -> None:
    """Tensors that are missing, of another type or shape, overlapping or out of the file are refused."""
    rewrite_header(folder, change)
    assert_refused(folder, reason)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model_type": "llama"}, UnsupportedArchitectureError),
        ({"activation_function": "mish"}, UnsupportedArchitectureError),
        ({"activation_function": ["gelu"]}, UnsupportedArchitectureError),
        ({"add_cross_attention": True}, UnsupportedArchitectureError),
        ({"n_layer": 4}, ModelNotLoadableError),
        ({"n_layer": 0}, ModelNotLoadableError),
        ({"n_head": 5}, ModelNotLoadableError),
        ({"n_positions": "64"}, ModelNotLoadableError),
        ({"vocab_size": 391}, ModelNotLoadableError),
        ({"eos_token_id": 390}, ModelNotLoadableError),
        ({"eos_token_id": None}, ModelNotLoadableError),
        ({"layer_norm_epsilon": -1}, ModelNotLoadableError),
        ({"scale_attn_weights": "no"}, ModelNotLoadableError),
        ({"tie_word_embeddings": False}, ModelNotLoadableError),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    folder: Path, fields: dict[str, Any], error: type[ModelNotLoadableError]
) -> None:
    """Another architecture, sizes that are none and sizes that are not the weights' are errors of their own kind."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(error) as refused:
        LanguageModel.open(folder)
    assert type(refused.value) is error


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff"])
def test_a_configuration_that_is_none_is_refused(folder: Path, content: str) -> None:
    """What is not a JSON object is no configuration."""
    (folder / "config.json").write_text(content, encoding="latin-1")
    assert_refused(folder, "config.json")


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    """A tokenizer with more tokens than the network has rows is refused."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["extra"] = 390
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert_refused(folder, "391 tokens")


def test_widening_is_exact() -> None:
    """Every finite float16, negative zero and subnormal numbers included, is the same number as float32, in either order."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = np.resize(every[np.isfinite(every)], (3, WIDEN_AT_ONCE // 2 + 5))
    for narrow in (finite, finite.T):
        wide = widened(narrow)
        assert wide.flags.c_contiguous == narrow.flags.c_contiguous
        np.testing.assert_array_equal(wide, narrow.astype(np.float32))
        np.testing.assert_array_equal(np.signbit(wide), np.signbit(narrow))
