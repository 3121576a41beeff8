"""A full-size GPT-2 with random weights, made here: the true shape for bakes and benchmarks where there is no network.

`python -m benchmarks.random_gpt2 --tokenizer FOLDER --to FOLDER`, the first with `vocab.json` and `merges.txt` of GPT-2.
"""

import argparse
import shutil
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json")
# Fresh weights give flat distributions, which hide rounding errors. With these factors the entropy after a few words is
# near that of the real model (about 7 bits).
EMBEDDING_SCALE = 7.0
MATRIX_SCALE = 2.0


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


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a GPT-2 124M with random weights.")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of GPT-2's tokenizer files")
    parser.add_argument("--to", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=124)
    arguments = parser.parse_args()
    random_gpt2(seed=arguments.seed).save_pretrained(arguments.to)
    for file in TOKENIZER_FILES:
        if (arguments.tokenizer / file).is_file():
            shutil.copyfile(arguments.tokenizer / file, arguments.to / file)
    print(f"wrote {arguments.to}")


if __name__ == "__main__":
    main()
