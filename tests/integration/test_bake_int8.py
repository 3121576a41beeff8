"""The int8 bake: proved like the others, a quarter of float32's size, and refused in one line where it is damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from model_layer.bake.baking import Order, bake
from model_layer.config import Gpt2Config
from model_layer.errors import BakeError, ModelNotLoadableError
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest
from model_layer.quantization import Quantized, quantized
from model_layer.weights import Weights, expected_shapes, float32_rows, quantized_axis
from tests.integration.bake_command import files_in, run_bake
from tests.tiny_models import make_tiny_model

WEIGHTS = "model.safetensors"
ATTENTION = "transformer.h.1.attn.c_attn.weight"
EMBEDDING = "transformer.wte.weight"
Tensors = dict[str, NDArray[Any]]


@pytest.fixture(scope="module", params=[{}, {"n_embd": 72, "tie_word_embeddings": False}], ids=["tied", "untied"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose widths are no multiple of a group."""
    return make_tiny_model(tmp_path_factory.mktemp("source") / "fox", **request.param)


@pytest.fixture(scope="module")
def baked(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, baked in int8 with every check."""
    target = tmp_path_factory.mktemp("models") / "fox"
    result = run_bake(source, "--to", target, "--dtype", "int8")
    assert (result.returncode, result.stderr) == (0, "")
    return target


@pytest.fixture
def folder(baked: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(baked, tmp_path / "model"))


def weights_of(folder: Path) -> tuple[Weights, Gpt2Config]:
    """The folder's weights, and their configuration."""
    config = Gpt2Config.read(folder)
    return Weights.open(folder, config), config


def test_matrices_are_quantised_and_nothing_else(source: Path, baked: Path) -> None:
    """Linear layers, embedding and head are the source's in int8, positions in float16, biases and norms as they were."""
    (stored, config), (true, _) = weights_of(baked), weights_of(source)
    for name in expected_shapes(config):
        found, axis = stored[name], quantized_axis(name)
        if axis is None:
            assert isinstance(found, np.ndarray)
            dtype = np.float16 if name == "wpe.weight" else np.float32
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, true.float32(name).astype(dtype))
        else:
            assert isinstance(found, Quantized)
            expected = quantized(true.float32(name), axis)
            np.testing.assert_array_equal(found.values, expected.values)
            np.testing.assert_array_equal(found.scales, expected.scales)
            np.testing.assert_array_equal(stored.float32(name), expected.dequantized())


def test_one_way_to_look_rows_up(source: Path, baked: Path) -> None:
    """Rows of an embedding are float32 whatever it is stored in."""
    ids = np.array([5, 0, 5], np.intp)
    for folder in (source, baked):
        weights, _ = weights_of(folder)
        for name in ("wte.weight", "wpe.weight"):
            rows = float32_rows(weights[name], ids)
            assert rows.dtype == np.float32
            np.testing.assert_array_equal(rows, weights.float32(name)[ids])


def test_the_manifest_states_the_error(baked: Path) -> None:
    """The manifest says how far int8 moves the wheel, and that our engine and transformers agree on the numbers it stores."""
    manifest = Manifest.read(baked)
    assert manifest.dtype == "int8"
    assert manifest.numerics["contexts"] > 200
    assert 0 < manifest.numerics["mean_kl"] < 5e-3
    assert manifest.numerics["mean_kl"] <= manifest.numerics["max_kl"] < 5e-2
    assert 0 < manifest.numerics["max_probability_change"] < 0.2
    assert 0.9 < manifest.numerics["top_1_agreement"] <= 1
    assert 0 <= manifest.checks["reference"]["max_log_probability_change"] <= 1e-4


def test_read_front_to_back(baked: Path) -> None:
    """The matrices lie in the order in which a forward pass reads them, behind all that is small; each is aligned to its type."""
    whole = (baked / WEIGHTS).read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    entries = {name: entry for name, entry in json.loads(whole[8:start]).items() if name != "__metadata__"}
    names = sorted(entries, key=lambda name: entries[name]["data_offsets"])
    matrices = [name for name in names if len(entries[name]["shape"]) == 2 and not name.endswith(".scales")]
    assert names[-len(matrices) :] == matrices
    assert (start + entries[matrices[0]]["data_offsets"][0]) % 64 == 0
    _, config = weights_of(baked)
    in_use = [name for name, shape in expected_shapes(config).items() if len(shape) == 2]
    assert [name.removeprefix("transformer.") for name in matrices] == in_use
    assert in_use[-1] == ("wte.weight" if config.tie_word_embeddings else "lm_head.weight")
    assert in_use.index("h.0.attn.c_attn.weight") < in_use.index("h.0.mlp.c_fc.weight") < in_use.index("h.1.mlp.c_fc.weight")
    sizes = {"I8": 1, "F16": 2, "F32": 4}
    assert all((start + entry["data_offsets"][0]) % sizes[entry["dtype"]] == 0 for entry in entries.values())


def test_other_readers_of_the_format_find_every_tensor(baked: Path) -> None:
    """The file is plain safetensors, without gaps, and the numbers in it are those that our reader finds."""
    tensors, (weights, config) = load_file(baked / WEIGHTS), weights_of(baked)
    quantised = [name for name in expected_shapes(config) if quantized_axis(name) is not None]
    assert len(tensors) == len(expected_shapes(config)) + len(quantised)
    found = weights["h.1.attn.c_attn.weight"]
    assert isinstance(found, Quantized)
    np.testing.assert_array_equal(tensors[ATTENTION], found.values)
    np.testing.assert_array_equal(tensors[f"{ATTENTION}.scales"], found.scales)


def test_same_bytes(source: Path, baked: Path, tmp_path: Path) -> None:
    """Two int8 bakes of one source hold the same weights byte for byte."""
    bake(Order(source=str(source), target=tmp_path / "fox", dtype="int8", skip_reference=True))
    assert files_in(tmp_path / "fox")[WEIGHTS] == files_in(baked)[WEIGHTS]


def test_int8_is_baked_no_further(baked: Path, tmp_path: Path) -> None:
    """What int8 lost cannot be had back, so an int8 folder is no source."""
    with pytest.raises(BakeError, match="int8"):
        bake(Order(source=str(baked), target=tmp_path / "fox", skip_reference=True))


def changed(tensors: Tensors, name: str, value: float) -> None:
    """Change one number of a tensor."""
    tensors[name] = tensors[name].copy()
    tensors[name].flat[3] = value


DAMAGES: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "no scales": (lambda t: t.pop(f"{ATTENTION}.scales"), r"has no tensor h.1.attn.c_attn.weight.scales"),
    "too few scales": (lambda t: t.update({f"{ATTENTION}.scales": t[f"{ATTENTION}.scales"][:, :-1].copy()}), "config.json says"),
    "scales of the other axis": (
        lambda t: t.update({f"{EMBEDDING}.scales": t[f"{EMBEDDING}.scales"].T.copy()}),
        "config.json says",
    ),
    "half-size scales": (
        lambda t: t.update({f"{ATTENTION}.scales": t[f"{ATTENTION}.scales"].astype(np.float16)}),
        "scales is F16, not F32",
    ),
    "a negative scale": (lambda t: changed(t, f"{ATTENTION}.scales", -1e-3), "negative or not finite"),
    "a scale that is no number": (lambda t: changed(t, f"{EMBEDDING}.scales", np.nan), "negative or not finite"),
    "an infinite scale": (lambda t: changed(t, f"{ATTENTION}.scales", np.inf), "negative or not finite"),
    "one matrix in float": (lambda t: t.update({ATTENTION: t[ATTENTION].astype(np.float32)}), "is F32, not I8"),
    "an embedding in float": (lambda t: t.update({EMBEDDING: t[EMBEDDING].astype(np.float16)}), "is I8, not F32 or F16"),
    "positions in int8": (
        lambda t: t.update({"transformer.wpe.weight": t["transformer.wpe.weight"].astype(np.int8)}),
        "wpe.weight is I8",
    ),
    "a bias in int8": (
        lambda t: t.update({"transformer.ln_f.bias": t["transformer.ln_f.bias"].astype(np.int8)}),
        "ln_f.bias is I8",
    ),
    "a matrix of another shape": (lambda t: t.update({ATTENTION: t[ATTENTION].T.copy()}), "config.json says"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_refused(damage: str, folder: Path) -> None:
    """Scales that are missing, misshapen or no scales, and a mixture of types, are refused in one line that names the tensor."""
    spoil, because = DAMAGES[damage]
    tensors = load_file(folder / WEIGHTS)
    spoil(tensors)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ModelNotLoadableError, match=because) as refused:
        LanguageModel.open(folder)
    assert "\n" not in str(refused.value)


def test_a_rewritten_file_alone_harms_nothing(folder: Path) -> None:
    """The damage above is what is refused, not the way it is done; the order of the tensors does not matter."""
    before = LanguageModel.open(folder).next_logits([1, 2, 3])
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS)
    np.testing.assert_array_equal(LanguageModel.open(folder).next_logits([1, 2, 3]), before)
