"""The same network by transformers: the oracle of the tests, and an engine for whoever asks for it (`ENGINE=transformers`).

Imports torch and transformers, so serving imports it only when it is wanted. One sequence at a time: simple, not fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

from model_layer.config import Gpt2Config
from model_layer.network import Continuation, Pass
from model_layer.weights import Weights, expected_shapes, full_name


@dataclass(frozen=True, slots=True, eq=False)
class TorchCache:
    """Keys and values of one sequence, for each layer a pair of tensors (1, heads, length, head_width)."""

    layers: Sequence[tuple[torch.Tensor, torch.Tensor]]
    length: int

    @property
    def memory(self) -> dict[int, int]:
        """Bytes of each tensor's storage, by its address; handles that were shortened share them."""
        storages = [tensor.untyped_storage() for pair in self.layers for tensor in pair]
        return {storage.data_ptr(): storage.nbytes() for storage in storages}

    def shortened(self, length: int) -> "TorchCache":
        """The same for the first `length` tokens; nothing is copied."""
        return TorchCache([(keys[:, :, :length], values[:, :, :length]) for keys, values in self.layers], length)


class TransformersNetwork:
    """GPT2LMHeadModel of a folder in float32, on a CUDA device when there is one."""

    def __init__(self, folder: Path) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = torch.nn.Module.to(float32_model(folder), self._device)  # from_pretrained gives it in evaluation mode

    def empty_cache(self) -> TorchCache:
        """The cache of no tokens."""
        return TorchCache([], 0)

    @torch.inference_mode()
    def forward(self, batch: Sequence[Continuation[TorchCache]], *, every_position: bool = False) -> Pass[TorchCache]:
        """Run the new tokens of all sequences; hidden states of each one's last new token, or of every new token in turn."""
        rows, caches = [], []
        for one in batch:
            hidden, cache = self._continued(one)
            rows.append(hidden if every_position else hidden[-1:])
            caches.append(cache)
        return Pass(torch.cat(rows).cpu().numpy(), caches)

    @torch.inference_mode()
    def early_states(self, sequences: Sequence[Sequence[int]], *, blocks: int) -> NDArray[np.float32]:
        """Hidden states (tokens, width) of all tokens of new sequences after so many blocks, and the final layer norm."""
        rows = []
        for sequence in sequences:
            ids = torch.tensor([sequence], device=self._device)
            found = self._model.transformer(ids, use_cache=False, output_hidden_states=True)
            is_last = blocks >= len(self._model.transformer.h)
            rows.append(found.last_hidden_state[0] if is_last else self._model.transformer.ln_f(found.hidden_states[blocks][0]))
        return torch.cat(rows).cpu().numpy()

    @torch.inference_mode()
    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, width) after the final layer norm -> (rows, vocab_size)."""
        logits: NDArray[np.float32] = self._model.lm_head(torch.tensor(hidden, device=self._device)).cpu().numpy()
        return logits

    def _continued(self, one: Continuation[TorchCache]) -> tuple[torch.Tensor, TorchCache]:
        """Hidden states (new tokens, width) and the longer cache; concatenation leaves the shorter one as it was."""
        past = DynamicCache(one.cache.layers) if one.cache.length else DynamicCache()
        ids = torch.tensor([one.new_ids], device=self._device)
        hidden = self._model.transformer(ids, past_key_values=past, use_cache=True).last_hidden_state[0]
        layers = [(keys, values) for keys, values, *_ in past]
        return hidden, TorchCache(layers, one.cache.length + len(one.new_ids))


def float32_model(folder: Path) -> GPT2LMHeadModel:
    """The folder's model. What is stored in int8, which transformers does not read, is handed over dequantised."""
    config = Gpt2Config.read(folder)
    weights = Weights.open(folder, config)
    if not weights.quantized:
        return GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True, use_safetensors=True)
    fields, _ = GPT2Config.get_config_dict(folder, local_files_only=True)
    fields.pop("quantization_config", None)
    numbers = {full_name(name): torch.tensor(weights.float32(name)) for name in expected_shapes(config)}
    model: GPT2LMHeadModel = GPT2LMHeadModel.from_pretrained(
        None, config=GPT2Config.from_dict(fields), state_dict=numbers, dtype=torch.float32
    )
    return model
