"""Transformers in float32 with its key-value cache, logits of the last position alone."""

import torch
from transformers import DynamicCache, GPT2LMHeadModel

from benchmarks.workers.protocol import Engine, run


class TransformersCached(Engine):
    """A DynamicCache that the model extends."""

    def load(self, folder: str, threads: int) -> None:
        """Open the folder."""
        torch.set_num_threads(threads)
        self._model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)

    def prefill(self, ids: list[int]) -> None:
        """Fill a new cache."""
        self._cache = DynamicCache()
        self._pass(torch.tensor([ids]))

    def fork(self, sequences: int) -> None:
        """Repeat the cache along the batch."""
        self._cache.batch_repeat_interleave(sequences)

    def step(self, ids: list[int]) -> None:
        """One token for each row of the batch."""
        self._pass(torch.tensor(ids)[:, None])

    @torch.inference_mode()
    def _pass(self, ids: torch.Tensor) -> None:
        self._model(ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)


if __name__ == "__main__":
    run(TransformersCached)
