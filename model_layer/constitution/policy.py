"""The network that is fine-tuned: its blocks and last norm learn, in float32; its embeddings stay as they are.

The embeddings, which are also the output layer, are a third of GPT-2's weights: their gradients and moments would take 0.5 GB
more than what `benchmarks/results/lab.json` says. There is no dropout, so that a run is decided by its plan alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from model_layer.constitution.encoding import Encoded, padded
from model_layer.constitution.losses import sequence_log_probabilities
from model_layer.reference import float32_model

ROWS = 2  # sequences in one pass: what a pass keeps for its gradient bounds the memory, whatever the batch


class Policy:
    """A baked GPT-2 in float32 that gives log-probabilities of completions and steps along their gradients."""

    def __init__(self, folder: Path, *, end_of_text_id: int) -> None:
        """Load the folder's weights, whatever precision of float they are stored in."""
        self._padding_id = end_of_text_id
        self._model = _load(folder)
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(not name.startswith(("transformer.wte.", "transformer.wpe.", "lm_head.")))

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """All weights by the names of the file; not copied."""
        return dict(self._model.state_dict())

    @property
    def learning(self) -> dict[str, torch.nn.Parameter]:
        """The weights that learn."""
        return {name: parameter for name, parameter in self._model.named_parameters() if parameter.requires_grad}

    def adopt(self, learnt: dict[str, torch.Tensor]) -> None:
        """Take over the values of weights that learn."""
        with torch.no_grad():
            for name, parameter in self.learning.items():
                parameter.copy_(learnt[name])

    def log_probabilities(self, rows: Sequence[Encoded]) -> torch.Tensor:
        """Log p(completion | prompt) of each row, (rows,), in nats."""
        batch = padded(rows, padding_id=self._padding_id)
        token_ids = torch.from_numpy(batch.token_ids)
        logits = self._model(token_ids, use_cache=False).logits
        return sequence_log_probabilities(logits, token_ids, torch.from_numpy(batch.completion))

    @torch.no_grad()
    def scores(self, rows: Sequence[Encoded]) -> list[float]:
        """The same as numbers, without gradients and a few rows at a time."""
        return [score for part in parts(rows) for score in self.log_probabilities(part).tolist()]


def parts(rows: Sequence[Encoded]) -> Iterator[Sequence[Encoded]]:
    """The rows, ROWS at a time."""
    return (rows[begin : begin + ROWS] for begin in range(0, len(rows), ROWS))


def _load(folder: Path) -> GPT2LMHeadModel:
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = float32_model(folder)  # in evaluation mode
    if model.config.activation_function == "gelu_new":
        # The same function as one operation, which keeps 0.1 GB less for the gradient of two sequences of 128 tokens.
        for block in model.transformer.h:
            block.get_submodule("mlp").act = torch.nn.GELU(approximate="tanh")
    return model
