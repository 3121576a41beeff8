"""The engine of this project, through its public interface alone."""

import os
from pathlib import Path

from benchmarks.workers import protocol
from model_layer.language_model import Engine, LanguageModel
from model_layer.threads import use_threads

PREFIX_CACHE_BYTES = 2**30  # room for 64 sequences


class Ours(protocol.Engine):
    """Sequences of token ids: what was computed of them lies in the model's prefix cache."""

    def load(self, folder: str, threads: int) -> None:
        """Open the folder."""
        engine: Engine = "numpy" if os.environ.get("ENGINE") == "numpy" else "kernel"
        self._model = LanguageModel.open(Path(folder), engine=engine, prefix_cache_bytes=PREFIX_CACHE_BYTES)
        use_threads(threads)

    def prefill(self, ids: list[int]) -> None:
        """One sequence."""
        self._sequences = [ids]
        self._model.next_logits(ids)

    def fork(self, sequences: int) -> None:
        """Copies of the ids: all find the same prefix."""
        self._sequences = [list(self._sequences[0]) for _ in range(sequences)]

    def step(self, ids: list[int]) -> None:
        """Ask for the distribution after sequences that are one token longer than before."""
        for sequence, token_id in zip(self._sequences, ids, strict=True):
            sequence.append(token_id)
        if len(self._sequences) == 1:
            self._model.next_logits(self._sequences[0])
        else:
            self._model.next_logits_batch(self._sequences)


if __name__ == "__main__":
    protocol.run(Ours)
