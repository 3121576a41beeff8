"""Small random GPT-2 folders in the Hugging Face format, each with a real byte-level BPE tokenizer of its own."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

END_OF_TEXT = "<|endoftext|>"
SENTENCES = (
    "Once upon a time there was a little fox who lived in the old forest.",
    "The fox said to the raven: tell me, what do you see from up there?",
    "I see the sea, said the raven, and a ship that sails to the end of the world.",
    "Then they walked together, and the wind sang in the trees all night long.",
    "In the morning the king's daughter opened the window and there they stood.",
)
LINEAR_SPREAD, EMBEDDING_SPREAD = 8.0, 20.0  # untrained distributions are flat; these are as uneven as a trained model's


def make_tiny_model(folder: Path, *, dtype: torch.dtype = torch.float32, seed: int = 7, **overrides: Any) -> Path:
    """Write a tiny GPT-2 with the `config.json` keys in `overrides`; the same seed gives the same weights."""
    tokenizer = make_tokenizer(folder)
    fields = {
        "vocab_size": tokenizer.get_vocab_size(),
        "n_positions": 64,
        "n_embd": 48,
        "n_layer": 3,
        "n_head": 4,
        "bos_token_id": tokenizer.token_to_id(END_OF_TEXT),
        "eos_token_id": tokenizer.token_to_id(END_OF_TEXT),
    }
    model = random_gpt2(GPT2Config(**(fields | overrides)), seed)
    torch.nn.Module.to(model, dtype).save_pretrained(folder)
    return folder


def make_tokenizer(folder: Path, vocab_size: int = 400) -> Tokenizer:
    """Train a byte-level BPE on SENTENCES, all 256 bytes and END_OF_TEXT included, and write its `tokenizer.json`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


@torch.no_grad()
def random_gpt2(config: GPT2Config, seed: int) -> GPT2LMHeadModel:
    """A GPT-2 whose random weights, biases and gains all matter to its distributions."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: GPT2LMHeadModel = GPT2LMHeadModel(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif "wte" in name or "wpe" in name:
                parameter.mul_(EMBEDDING_SPREAD)
            else:
                parameter.mul_(LINEAR_SPREAD)
    return model
