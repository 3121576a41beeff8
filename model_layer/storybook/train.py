"""Train the storybook model: `python -m model_layer.storybook.train --corpus FOLDER --work FOLDER`.

Checkpoints are written atomically and a restart goes on from the last one; data order and dropout depend on the step
alone, so a run that was interrupted ends like one that was not.
The learning rate is constant after its warm-up and falls linearly to zero over the last part (the trapezoidal
schedule of arXiv:2405.18392), so `--epochs` may be changed at a restart as long as the fall has not begun.
Matrices are stepped by Muon (torch.optim.Muon), embeddings, gains and biases by AdamW.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface, GPT2Config, GPT2LMHeadModel

from model_layer.storybook.attention import blocked_attention
from model_layer.storybook.corpus import Passage, read_passages, training_texts
from model_layer.storybook.evaluate import bits_per_character
from model_layer.storybook.tokenizer import end_of_text_id, train_tokenizer

AttentionInterface.register("blocked", blocked_attention)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result besides the corpus."""

    vocab_size: int = 3_840
    context: int = 512
    layers: int = 6
    heads: int = 4
    width: int = 256
    batch: int = 8
    epochs: float = 3.6
    matrix_learning_rate: float = 3e-3
    other_learning_rate: float = 2e-3
    weight_decay: float = 0.1
    warm_up_steps: int = 100
    falling_share: float = 0.5
    dropout: float = 0.05
    seed: int = 20
    log_every: int = 20
    checkpoint_every: int = 200


DRY_RUN = Recipe(
    vocab_size=300, context=32, layers=2, heads=2, width=16, batch=2, epochs=1, warm_up_steps=2, log_every=1, checkpoint_every=3
)


class Trainer:
    """Model, optimisers and position of one run; its folder holds recipe.json, tokenizer.json, log.jsonl and checkpoint.pt."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer, passages: list[Passage], work: Path) -> None:
        """Build the model of `recipe`, or take up the run whose checkpoint lies in `work`."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.work = recipe, work
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokens = encode_stream(tokenizer, training_texts(passages))
        self.model = build_model(recipe, end_of_text=end_of_text_id(tokenizer))
        torch.nn.Module.to(self.model, self.device)  # transformers' own `to` is not typed
        self.optimizers = build_optimizers(self.model, recipe)
        self.step = 0
        if self._checkpoint.exists():
            self._load()

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return max(1, int(self.recipe.epochs * len(self.tokens) / (self.recipe.batch * self.recipe.context)))

    def run(self, *, stop_at_step: int | None = None) -> Path:
        """Train to the end (or to `stop_at_step`), then save; returns the folder of the model in Hugging Face's format."""
        started = time.monotonic()
        while self.step < min(self.steps, stop_at_step or self.steps):
            loss = self._train_one_step()
            self.step += 1
            if self.step % self.recipe.log_every == 0:
                self._log(loss=loss, elapsed_s=round(time.monotonic() - started, 1))
            if self.step % self.recipe.checkpoint_every == 0:
                self._save()
        self._save()
        self.model.save_pretrained(self.work / "model")
        return self.work / "model"

    def _train_one_step(self) -> float:
        torch.manual_seed(self.recipe.seed + self.step)  # dropout, too, depends on the step alone
        scale = learning_rate_scale(self.step, self.steps, self.recipe)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * scale
        batch = torch.from_numpy(windows(self.tokens, self.step, self.recipe)).to(self.device)
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(batch[:, :-1], use_cache=False).logits
        loss = cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
        torch.autograd.backward(loss)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()

    def _log(self, **figures: float) -> None:
        line = {"step": self.step, "of": self.steps, **figures}
        print(json.dumps(line), flush=True)
        with (self.work / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    @property
    def _checkpoint(self) -> Path:
        return self.work / "checkpoint.pt"

    def _save(self) -> None:
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._checkpoint)

    def _load(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]


def build_model(recipe: Recipe, *, end_of_text: int) -> GPT2LMHeadModel:
    """A GPT-2 with random weights; `gelu_pytorch_tanh` is `gelu_new` in one fused operation."""
    config = GPT2Config(
        vocab_size=recipe.vocab_size,
        n_positions=recipe.context,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        activation_function="gelu_pytorch_tanh",
        embd_pdrop=recipe.dropout,
        resid_pdrop=recipe.dropout,
        attn_pdrop=0.0,
        bos_token_id=end_of_text,
        eos_token_id=end_of_text,
    )
    model = GPT2LMHeadModel(config)
    model.set_attn_implementation("blocked")
    return model


def build_optimizers(model: GPT2LMHeadModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW without decay for the rest."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".h." in name]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".h." in name)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(
            matrices, lr=recipe.matrix_learning_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=recipe.other_learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def learning_rate_scale(step: int, steps: int, recipe: Recipe) -> float:
    """1 in the middle, a linear warm-up before, a linear fall to 0 over the last `falling_share` of the run."""
    falling_steps = max(1, round(steps * recipe.falling_share))
    return min(1.0, (step + 1) / recipe.warm_up_steps, (steps - step) / falling_steps)


def encode_stream(tokenizer: Tokenizer, texts: Iterator[str]) -> NDArray[np.int64]:
    """Token ids of all texts, one after another, each closed by the end-of-text token."""
    end = end_of_text_id(tokenizer)
    return np.concatenate([np.array([*tokenizer.encode(text).ids, end], dtype=np.int64) for text in texts])


def windows(tokens: NDArray[np.int64], step: int, recipe: Recipe) -> NDArray[np.int64]:
    """The batch of one step, (batch, context + 1): each epoch shuffles the windows anew and shifts where they begin."""
    per_epoch = max(1, (len(tokens) - 1) // recipe.context - 1)
    rows = []
    for position in range(step * recipe.batch, (step + 1) * recipe.batch):
        generator = np.random.default_rng([recipe.seed, position // per_epoch])
        shift = int(generator.integers(recipe.context))
        start = shift + int(generator.permutation(per_epoch)[position % per_epoch]) * recipe.context
        rows.append(tokens[start : start + recipe.context + 1])
    return np.stack(rows)


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Train the storybook model.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of one .txt file a book")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints, the log and the model")
    parser.add_argument("--epochs", type=float, help="passes over the training text")
    parser.add_argument("--dry-run", action="store_true", help="a few steps of a tiny model, to see that all parts work")
    arguments = parser.parse_args()

    recipe = DRY_RUN if arguments.dry_run else Recipe()
    recipe = replace(recipe, epochs=arguments.epochs) if arguments.epochs else recipe
    passages = read_passages(arguments.corpus)
    arguments.work.mkdir(parents=True, exist_ok=True)
    tokenizer = prepare_tokenizer(arguments.work / "tokenizer.json", passages, recipe)
    (arguments.work / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))

    trainer = Trainer(recipe, tokenizer, passages, arguments.work)
    folder = trainer.run(stop_at_step=6 if arguments.dry_run else None)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    held_out = [passage for passage in passages if passage.held_out] or passages[:1]
    bits = bits_per_character(trainer.model, tokenizer, held_out, window=recipe.context)
    print(f"held-out: {bits:.4f} bits per character, {len(held_out)} passages")


def prepare_tokenizer(path: Path, passages: list[Passage], recipe: Recipe) -> Tokenizer:
    """The tokenizer of this run: the one at `path`, or a new one learnt from the training passages and saved there."""
    if not path.exists():
        train_tokenizer(training_texts(passages), vocab_size=recipe.vocab_size).save(str(path), pretty=False)
    return Tokenizer.from_file(str(path))


if __name__ == "__main__":
    main()
