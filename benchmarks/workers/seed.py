"""The published way: transformers in float32 without cache, the whole sequence twice a step (once to show, once to draw)."""

import torch
from transformers import GPT2LMHeadModel

from benchmarks.workers.protocol import Engine, run

PASSES_A_STEP = 2


class Seed(Engine):
    """A tensor of token ids (sequences, tokens); nothing else is kept."""

    def load(self, folder: str, threads: int) -> None:
        """Open the folder."""
        torch.set_num_threads(threads)
        self._model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)

    def prefill(self, ids: list[int]) -> None:
        """One pass."""
        self._ids = torch.tensor([ids])
        self._pass()

    def fork(self, sequences: int) -> None:
        """Rows of one batch."""
        self._ids = self._ids.repeat(sequences, 1)

    def step(self, ids: list[int]) -> None:
        """Two passes over everything."""
        self._ids = torch.cat([self._ids, torch.tensor(ids)[:, None]], dim=1)
        for _ in range(PASSES_A_STEP):
            self._pass()

    @torch.inference_mode()
    def _pass(self) -> None:
        self._model(self._ids, use_cache=False)


if __name__ == "__main__":
    run(Seed)
