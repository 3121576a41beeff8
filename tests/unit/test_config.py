"""A `config.json` means here what it means to transformers."""

import dataclasses

import pytest
from transformers import GPT2Config

from model_layer.config import GREATEST, Gpt2Config
from model_layer.errors import ModelNotLoadableError

THEIR_NAMES = {
    "layers": "n_layer",
    "heads": "n_head",
    "width": "n_embd",
    "context_window": "n_positions",
    "end_of_text_id": "eos_token_id",
    "activation": "activation_function",
}


def test_what_is_absent_has_the_value_that_transformers_gives() -> None:
    """An empty configuration of a GPT-2 is GPT-2 124M in every field."""
    ours, theirs = dataclasses.asdict(Gpt2Config.from_fields({"model_type": "gpt2"})), GPT2Config()
    assert ours.pop("inner_width") == 4 * theirs.n_embd
    assert ours == {name: getattr(theirs, THEIR_NAMES.get(name, name)) for name in ours}


@pytest.mark.parametrize("key", GREATEST)
def test_absurd_sizes_are_refused_at_once(key: str) -> None:
    """A size of zero or beyond its bound is refused by name, before anything of that size is made; GPT-2 XL is far within."""
    xl = {"n_layer": 48, "n_head": 25, "n_embd": 1600, "n_inner": 6400, "n_positions": 1024, "vocab_size": 50257}
    assert Gpt2Config.from_fields({"model_type": "gpt2", **xl}).layers == 48
    for size in (0, GREATEST[key] + 1, 2**31 - 1, True, 1.0):
        with pytest.raises(ModelNotLoadableError, match=key):
            Gpt2Config.from_fields({"model_type": "gpt2", **xl, key: size})


def test_the_most_layers_are_few_enough_to_list() -> None:
    """The reader names every tensor of every layer, so the bound on layers bounds its work."""
    assert GREATEST["n_layer"] <= 1024
