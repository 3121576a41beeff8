"""Every switch of the configuration that changes the arithmetic, against transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from model_layer.activations import ACTIVATIONS
from model_layer.config import Gpt2Config
from model_layer.language_model import LanguageModel
from model_layer.weights import Weights
from tests.tiny_models import make_tiny_model

VARIANTS: list[dict[str, Any]] = [
    *({"activation_function": name} for name in ACTIVATIONS),
    {"n_inner": 80},
    {"n_head": 1},
    {"n_layer": 1, "n_embd": 32, "n_positions": 200},
    {"scale_attn_by_inverse_layer_idx": True},
    {"scale_attn_weights": False},
    {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True},
    {"layer_norm_epsilon": 0.1},
    {"tie_word_embeddings": False},
    {"vocab_size": 411},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_variant_computes_what_transformers_computes(variant: dict[str, Any], tmp_path: Path) -> None:
    """Logits of a whole window, by NumPy and by transformers, differ by no more than rounding."""
    folder = make_tiny_model(tmp_path, **variant)
    model = LanguageModel.open(folder)
    ids = np.random.default_rng(1).integers(0, model.vocab_size, model.context_window)
    with torch.inference_mode():
        expected = GPT2LMHeadModel.from_pretrained(folder)(torch.tensor(ids[None])).logits[0].numpy()
    found = model.logits(model.hidden_states(ids.tolist()))
    assert np.ptp(expected, axis=-1).min() > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_names_without_prefix_are_read(tmp_path: Path) -> None:
    """OpenAI's gpt2 names its tensors without the prefix that save_pretrained writes: both are the same weights."""
    folder = make_tiny_model(tmp_path)
    before = LanguageModel.open(folder).next_logits([1, 2, 3])
    path = folder / "model.safetensors"
    unprefixed = without_prefix(path.read_bytes())
    path.unlink()  # a new file: the old one is still mapped, and read ahead
    path.write_bytes(unprefixed)
    config = Gpt2Config.read(folder)
    assert Weights.open(folder, config)["wte.weight"].shape == (config.vocab_size, config.width)
    np.testing.assert_array_equal(LanguageModel.open(folder).next_logits([1, 2, 3]), before)


def without_prefix(whole: bytes) -> bytes:
    """The same safetensors file with `transformer.` taken from its names."""
    start = 8 + int.from_bytes(whole[:8], "little")
    header = whole[8:start].replace(b'"transformer.', b'"')
    assert header != whole[8:start]
    return len(header).to_bytes(8, "little") + header + whole[start:]
