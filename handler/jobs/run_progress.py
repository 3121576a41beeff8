"""How far a run over a file is: a bar on a terminal, and a line at the end. Neither holds a prompt."""

import time
from collections.abc import Collection
from typing import Self

from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

from handler.jobs.partial_file import PartialFile
from handler.jobs.result import RequestResult


class RunProgress:
    """Counts what this run does, beside what earlier ones did, and draws it on standard error if that is a terminal."""

    def __init__(self, total: int, partial: PartialFile, *, quiet: bool) -> None:
        self._partial = partial
        self._total = total
        self._before = len(partial)
        self._tokens = 0
        self._seconds = 0.0
        self._bar = tqdm(total=total, initial=self._before, unit=" requests", disable=quiet or None, dynamic_ncols=True)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.perf_counter() - self._started
        self._bar.close()

    def count(self, results: Collection[RequestResult]) -> None:
        """Add results that have been kept."""
        self._tokens += sum(_tokens(result) for result in results)
        rate = self._tokens / (time.perf_counter() - self._started)
        self._bar.set_postfix_str(f"{rate:.0f} tokens/s, {self._partial.failed} failed", refresh=False)
        self._bar.update(len(results))

    def summary(self) -> str:
        """What was done, at what rate; tokens are those of prompts and of completions."""
        done = self._total - self._before
        earlier = f" ({self._before} of them earlier)" if self._before else ""
        rates = f"{done / self._seconds:.1f} requests/s, {self._tokens / self._seconds:.0f} tokens/s"
        key = self._partial.key
        return (
            f"{self._total} requests{earlier}, {self._partial.failed} failed, in {self._seconds:.1f} s: {rates}; "
            f"model {key.model}, seed {key.seed}"
        )


def _tokens(result: RequestResult) -> int:
    drawn = sum(len(completion.tokens) for completion in result.completions or ())
    return (result.prompt_token_count or 0) + drawn
