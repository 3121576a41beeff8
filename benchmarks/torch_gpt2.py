"""GPT-2 written by hand in torch over a memory-mapped float32 file: the peer `torch`, and what is exported to ONNX.

Radford et al. 2019, section 2.3. Shapes: B sequences, S new tokens, T tokens with the past, W width, H heads, D head width.
"""

import json
import mmap
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch.nn import functional

Weights = Mapping[str, torch.Tensor]
# (layer, keys (B, H, S, D), values) -> all keys (B, H, T, D), all values
Store = Callable[[int, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def open_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a float32 folder by their names without prefix, mapped and not copied."""
    with (folder / "model.safetensors").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    length = int.from_bytes(mapped[:8], "little")
    header = json.loads(mapped[8 : 8 + length])
    header.pop("__metadata__", None)
    weights = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(mapped, dtype=torch.float32, count=(end - begin) // 4, offset=8 + length + begin)
        weights[name.removeprefix("transformer.")] = flat.view(entry["shape"])
    return weights


class Gpt2:
    """The network of a folder's weights."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.layers, self.heads, self.width = config["n_layer"], config["n_head"], config["n_embd"]
        self.head_width = self.width // self.heads
        self.window = config["n_positions"]
        self.weights = open_weights(folder)

    def logits(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, store: Store) -> torch.Tensor:
        """(B, S) -> logits (B, vocab_size) after the last token. `mask` (S, T) is added to the scores; None hides nothing."""
        weights = self.weights
        rows = weights["wte.weight"][ids] + weights["wpe.weight"][positions]  # (B, S, W)
        for layer in range(self.layers):
            rows = rows + self._attention(layer, self._norm(f"h.{layer}.ln_1", rows), mask, store)
            inner = functional.gelu(self._linear(f"h.{layer}.mlp.c_fc", self._norm(f"h.{layer}.ln_2", rows)), approximate="tanh")
            rows = rows + self._linear(f"h.{layer}.mlp.c_proj", inner)
        return self._norm("ln_f", rows[:, -1]) @ weights["wte.weight"].T

    def _attention(self, layer: int, rows: torch.Tensor, mask: torch.Tensor | None, store: Store) -> torch.Tensor:
        mixed = self._linear(f"h.{layer}.attn.c_attn", rows)  # (B, S, 3 W)
        batch, new = rows.shape[0], rows.shape[1]
        parts = [part.view(batch, new, self.heads, self.head_width).transpose(1, 2) for part in mixed.chunk(3, dim=2)]
        queries, (keys, values) = parts[0], store(layer, parts[1], parts[2])
        scores = queries @ keys.transpose(2, 3) * self.head_width**-0.5  # (B, H, S, T)
        if mask is not None:
            scores = scores + mask
        attended = scores.softmax(dim=-1) @ values  # (B, H, S, D)
        return self._linear(f"h.{layer}.attn.c_proj", attended.transpose(1, 2).reshape(batch, new, self.width))

    def _linear(self, name: str, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _norm(self, name: str, rows: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(rows, (self.width,), self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 1e-5)


def causal_mask(positions: torch.Tensor, tokens: int) -> torch.Tensor:
    """(S, tokens): minus infinity where a query at `positions` (S,) would look at a later token."""
    later = torch.arange(tokens)[None, :] > positions[:, None]
    return torch.zeros(later.shape).masked_fill(later, float("-inf"))
