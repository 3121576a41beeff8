"""What a GPT-2 is made of, read from the standard `config.json` of its folder. Refuses what the engines do not compute."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_layer.activations import ACTIVATIONS
from model_layer.errors import ModelNotLoadableError, UnsupportedArchitectureError

CONFIG_FILE = "config.json"
# Several times the greatest GPT-2 ever published: beyond it the file is damaged, and sizes near 2**31 would hang the reader.
GREATEST = {"n_layer": 2**10, "n_head": 2**10, "n_embd": 2**16, "n_inner": 2**18, "n_positions": 2**20, "vocab_size": 2**22}


@dataclass(frozen=True, slots=True)
class Gpt2Config:
    """The shape of one GPT-2: layers, heads, width, context and the few switches that change its arithmetic."""

    layers: int
    heads: int
    width: int
    inner_width: int
    context_window: int
    vocab_size: int
    end_of_text_id: int
    activation: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    tie_word_embeddings: bool = True

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @classmethod
    def read(cls, folder: Path) -> "Gpt2Config":
        """The configuration in `folder/config.json`; what is absent there has the value that transformers gives it.

        Raises ModelNotLoadableError for a missing or damaged file, UnsupportedArchitectureError for another network.
        """
        path = folder / CONFIG_FILE
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ModelNotLoadableError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ModelNotLoadableError(f"{path} is not JSON") from error
        if not isinstance(fields, dict):
            raise ModelNotLoadableError(f"{path} is not a JSON object")
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Gpt2Config":
        """The configuration that the keys of a `config.json` describe. Raises as `read` does."""
        _require_gpt2(fields)
        width = _size(fields, "n_embd", 768)
        heads = _size(fields, "n_head", 12)
        vocab_size = _size(fields, "vocab_size", 50257)
        if width % heads:
            raise ModelNotLoadableError(f"config.json: n_embd {width} is not a multiple of n_head {heads}")
        return cls(
            layers=_size(fields, "n_layer", 12),
            heads=heads,
            width=width,
            inner_width=4 * width if fields.get("n_inner") is None else _size(fields, "n_inner", 0),
            context_window=_size(fields, "n_positions", 1024),
            vocab_size=vocab_size,
            end_of_text_id=_end_of_text_id(fields, vocab_size),
            activation=fields.get("activation_function", "gelu_new"),
            layer_norm_epsilon=_epsilon(fields),
            scale_attn_weights=_switch(fields, "scale_attn_weights", default=True),
            scale_attn_by_inverse_layer_idx=_switch(fields, "scale_attn_by_inverse_layer_idx", default=False),
            tie_word_embeddings=_switch(fields, "tie_word_embeddings", default=True),
        )


def _require_gpt2(fields: Mapping[str, Any]) -> None:
    model_type = fields.get("model_type")
    if model_type != "gpt2":
        raise UnsupportedArchitectureError(f"config.json: model_type is {model_type!r}, only 'gpt2' is computed")
    if fields.get("activation_function", "gelu_new") not in list(ACTIVATIONS):  # a list: the value may not be hashable
        raise UnsupportedArchitectureError(f"config.json: activation_function is none of {', '.join(sorted(ACTIVATIONS))}")
    if fields.get("add_cross_attention"):
        raise UnsupportedArchitectureError("config.json: add_cross_attention is set; only decoders alone are computed")


def _size(fields: Mapping[str, Any], key: str, default: int) -> int:
    value = fields.get(key, default)
    if type(value) is not int or not 1 <= value <= GREATEST[key]:
        raise ModelNotLoadableError(f"config.json: {key} is not a whole number from 1 to {GREATEST[key]}")
    return value


def _switch(fields: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = fields.get(key, default)
    if not isinstance(value, bool):
        raise ModelNotLoadableError(f"config.json: {key} is neither true nor false")
    return value


def _epsilon(fields: Mapping[str, Any]) -> float:
    value = fields.get("layer_norm_epsilon", 1e-5)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ModelNotLoadableError("config.json: layer_norm_epsilon is not between 0 and 1")
    return float(value)


def _end_of_text_id(fields: Mapping[str, Any], vocab_size: int) -> int:
    value = fields.get("eos_token_id", 50256)
    if type(value) is not int or not 0 <= value < vocab_size:
        raise ModelNotLoadableError(f"config.json: eos_token_id is not one id from 0 to {vocab_size - 1}")
    return value
