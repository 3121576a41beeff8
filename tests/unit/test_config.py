"""A `config.json` means here what it means to transformers."""

import dataclasses

from transformers import GPT2Config

from model_layer.config import Gpt2Config

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
