"""CTranslate2's Generator. It keeps no cache across calls, so a step is the time between two tokens of one generation."""

import json
import time
from itertools import pairwise
from pathlib import Path

import ctranslate2

from benchmarks.workers.protocol import Engine, run


class CTranslate2(Engine):
    """Prompts go in as pieces of the vocabulary."""

    remembers = False

    def load(self, folder: str, threads: int) -> None:
        """Open the folder in the precision that it was converted to."""
        self._generator = ctranslate2.Generator(folder, device="cpu", intra_threads=threads, inter_threads=1)
        self._pieces = json.loads((Path(folder) / "vocabulary.json").read_text(encoding="utf-8"))

    def prefill(self, ids: list[int]) -> None:
        """One token is generated."""
        self._generate([ids], tokens=1)

    def fork(self, sequences: int) -> None:
        """Nothing is kept that could be forked."""
        raise NotImplementedError

    def step(self, ids: list[int]) -> None:
        """See `generated_ms`."""
        raise NotImplementedError

    def generated_ms(self, sequences: list[list[int]], count: int) -> list[float]:
        """The milliseconds between the tokens of a generation of `count` steps after the prefill and one more."""
        times = self._generate(sequences, tokens=count + 2)
        return [(after - before) * 1000 for before, after in pairwise(times[1:])]

    def _generate(self, sequences: list[list[int]], *, tokens: int) -> list[float]:
        """When each token of the first sequence was there, in seconds."""
        times: list[float] = []

        def note(result: ctranslate2.GenerationStepResult) -> bool:
            if result.batch_id == 0:
                times.append(time.perf_counter())
            return False

        prompts = [[self._pieces[token_id] for token_id in ids] for ids in sequences]
        self._generator.generate_batch(
            prompts, max_length=tokens, min_length=tokens, include_prompt_in_result=False, sampling_topk=1, callback=note
        )
        return times


if __name__ == "__main__":
    run(CTranslate2)
