"""A fine-tuned network as a baked folder: it has the very weights, or there is no folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from model_layer.bake.self_check import ROUNDED
from model_layer.bake.verify import holds
from model_layer.constitution.policy import Policy
from model_layer.constitution.result import MOST_KL, TRAINING_FILE, bake_result, write_float32
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest
from tests.baked_models import make_baked_model

WORDS: dict[str, Any] = {"name": "kinder", "description": "a test", "training": {"steps": 3}}
A_MATRIX, AN_ATTENTION = "transformer.h.0.mlp.c_fc.weight", "transformer.h.0.attn.c_attn.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model in float16."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def weights(base: Path) -> dict[str, torch.Tensor]:
    """Its weights, one matrix of them changed."""
    found = Policy(base, end_of_text_id=LanguageModel.open(base).end_of_text_id).weights
    return found | {A_MATRIX: found[A_MATRIX] + 0.25}


def test_float32_keeps_every_bit(base: Path, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """All tensors of the base are there under their names, as they are in memory."""
    write_float32(tmp_path / "float32", base=base, weights=weights)
    stored = load_file(tmp_path / "float32" / "model.safetensors")
    assert set(stored) == set(load_file(base / "model.safetensors"))
    for name, values in stored.items():
        assert np.array_equal(values, weights[name].numpy()), name


def test_an_unfinished_folder_is_written_anew(base: Path, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """What a kill left there is gone."""
    (tmp_path / "float32").mkdir()
    (tmp_path / "float32" / "left over").touch()
    write_float32(tmp_path / "float32", base=base, weights=weights)
    assert not (tmp_path / "float32" / "left over").exists()


def test_the_baked_folder_has_these_weights_rounded(base: Path, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Each number is the nearest of float16, the manifest holds, and the engine opens it."""
    write_float32(tmp_path / "float32", base=base, weights=weights)
    manifest = bake_result(tmp_path / "float32", tmp_path / "kinder", base=Manifest.read(base), **WORDS)
    stored = load_file(tmp_path / "kinder" / "model.safetensors")
    for name, values in stored.items():
        assert np.array_equal(values, weights[name].numpy().astype(np.float16)), name
    assert Manifest.read(tmp_path / "kinder") == manifest
    assert holds(manifest, tmp_path / "kinder")
    assert json.loads((tmp_path / "kinder" / TRAINING_FILE).read_text(encoding="utf-8")) == {"steps": 3}
    assert LanguageModel.open(tmp_path / "kinder").name == "kinder"


@pytest.mark.parametrize("value", [1e6, float("nan")])
def test_weights_that_float16_cannot_hold_are_no_model(
    base: Path, weights: dict[str, torch.Tensor], tmp_path: Path, value: float
) -> None:
    """A run that diverged leaves an error and no folder."""
    write_float32(tmp_path / "float32", base=base, weights=weights | {A_MATRIX: torch.full_like(weights[A_MATRIX], value)})
    with pytest.raises(BakeError):
        bake_result(tmp_path / "float32", tmp_path / "kinder", base=Manifest.read(base), **WORDS)
    assert not (tmp_path / "kinder").exists()


@pytest.fixture
def sharp(weights: dict[str, torch.Tensor]) -> Callable[[float], dict[str, torch.Tensor]]:
    """Weights whose attention is so many times sharper: the greater, the more float16 changes what the network computes."""
    return lambda times: weights | {AN_ATTENTION: weights[AN_ATTENTION] * times}


def test_rounding_that_another_bake_would_refuse_is_told(
    base: Path, sharp: Callable[[float], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    """What was learnt is not thrown away for it: the manifest says how much it changed."""
    write_float32(tmp_path / "float32", base=base, weights=sharp(15.0001))
    manifest = bake_result(tmp_path / "float32", tmp_path / "kinder", base=Manifest.read(base), **WORDS)
    assert ROUNDED["float16"].kl < manifest.numerics["max_kl"] < MOST_KL


def test_rounding_that_makes_another_model_is_refused(
    base: Path, sharp: Callable[[float], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    """Beyond the bound there is no folder."""
    write_float32(tmp_path / "float32", base=base, weights=sharp(1000.1))
    with pytest.raises(BakeError, match="too much"):
        bake_result(tmp_path / "float32", tmp_path / "kinder", base=Manifest.read(base), **WORDS)
    assert not (tmp_path / "kinder").exists()


def test_what_is_no_model_is_never_replaced(base: Path, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """A folder of other things stays as it is."""
    write_float32(tmp_path / "float32", base=base, weights=weights)
    (tmp_path / "kinder").mkdir()
    (tmp_path / "kinder" / "letters").write_text("mine", encoding="utf-8")
    with pytest.raises(BakeError, match="not a baked model"):
        bake_result(tmp_path / "float32", tmp_path / "kinder", base=Manifest.read(base), **WORDS)
    assert (tmp_path / "kinder" / "letters").read_text(encoding="utf-8") == "mine"
