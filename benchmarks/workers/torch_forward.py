"""Torch alone: the forward of `benchmarks.torch_gpt2` with a key-value cache that is allocated once."""

from pathlib import Path

import torch

from benchmarks.torch_gpt2 import Gpt2, causal_mask
from benchmarks.workers.protocol import Engine, run

ROOM = 24  # tokens that a cache can grow by before it is copied into a longer one


class TorchForward(Engine):
    """Keys and values (layers, 2, sequences, heads, capacity, head width)."""

    def load(self, folder: str, threads: int) -> None:
        """Map the folder."""
        torch.set_num_threads(threads)
        self._network = Gpt2(Path(folder))

    def prefill(self, ids: list[int]) -> None:
        """Fill a new cache."""
        network = self._network
        self._length = 0
        capacity = min(len(ids) + ROOM, network.window)
        self._cache = torch.empty(network.layers, 2, 1, network.heads, capacity, network.head_width)
        self._pass(torch.tensor([ids]))

    def fork(self, sequences: int) -> None:
        """Repeat the cache along the batch."""
        self._cache = self._cache.repeat(1, 1, sequences, 1, 1, 1)

    def step(self, ids: list[int]) -> None:
        """One token for each row of the batch."""
        self._pass(torch.tensor(ids)[:, None])

    @torch.inference_mode()
    def _pass(self, ids: torch.Tensor) -> None:
        begin, end = self._length, self._length + ids.shape[1]
        positions = torch.arange(begin, end)
        mask = causal_mask(positions, end) if ids.shape[1] > 1 else None
        self._network.logits(ids, positions, mask, self._store).numpy()
        self._length = end

    def _store(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        end = self._length + keys.shape[2]
        cache = self._cache[layer]
        cache[0, :, :, self._length : end] = keys
        cache[1, :, :, self._length : end] = values
        return cache[0, :, :, :end], cache[1, :, :, :end]


if __name__ == "__main__":
    run(TorchForward)
