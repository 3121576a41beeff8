"""A full-size GPT-2 with random weights, made here: the true shape for bakes and benchmarks where there is no network.

`python -m benchmarks.random_gpt2 --to FOLDER [--tokenizer FOLDER]`, the second with `vocab.json` and `merges.txt` of GPT-2;
without it, a tokenizer of the same size that knows nothing but pairs of bytes.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import GPT2Config, GPT2LMHeadModel

TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json")
# Fresh weights give flat distributions, which hide rounding errors. With these factors the entropy after a few words is
# near that of the real model (about 7 bits).
EMBEDDING_SCALE = 7.0
MATRIX_SCALE = 2.0
PAIRS = 50_000  # with 256 bytes and the end of text: the 50,257 tokens of GPT-2
END_OF_TEXT = "<|endoftext|>"


def random_gpt2(*, seed: int) -> GPT2LMHeadModel:
    """GPT-2 124M (12 layers, 12 heads, width 768) whose biases and gains matter too; the same seed gives the same weights."""
    torch.manual_seed(seed)
    model: GPT2LMHeadModel = GPT2LMHeadModel(GPT2Config())
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim == 1:
                weights.add_(torch.randn_like(weights), alpha=0.05)
            else:
                weights.mul_(EMBEDDING_SCALE if name.endswith("wte.weight") else MATRIX_SCALE)
    return model


def write_tokenizer(folder: Path) -> None:
    """A byte-level tokenizer as large as GPT-2's: every byte, and the first PAIRS pairs of bytes."""
    alphabet = sorted(ByteLevel.alphabet())
    pairs = [(first, second) for first in alphabet for second in alphabet][:PAIRS]
    pieces = [*alphabet, *("".join(pair) for pair in pairs), END_OF_TEXT]
    vocabulary = {piece: token_id for token_id, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in pairs)])
    (folder / "merges.txt").write_text(merges + "\n", encoding="utf-8")


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a GPT-2 124M with random weights.")
    parser.add_argument("--tokenizer", type=Path, help="folder of GPT-2's tokenizer files")
    parser.add_argument("--to", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=124)
    arguments = parser.parse_args()
    random_gpt2(seed=arguments.seed).save_pretrained(arguments.to)
    if arguments.tokenizer is None:
        write_tokenizer(arguments.to)
    for file in TOKENIZER_FILES if arguments.tokenizer else ():
        if (arguments.tokenizer / file).is_file():
            shutil.copyfile(arguments.tokenizer / file, arguments.to / file)
    print(f"wrote {arguments.to}")


if __name__ == "__main__":
    main()
