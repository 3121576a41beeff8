"""How far a run over a file is: a bar on a terminal, lines elsewhere, and one at the end. None holds a prompt."""

import sys
import time
from collections.abc import Collection
from typing import Self

from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

from handler.jobs.partial_file import PartialFile
from handler.jobs.result import RequestResult

LINE_EVERY_S = 60.0


class RunProgress:
    """Counts what this run does, beside what earlier ones did, and shows it on standard error.

    That is a bar on a terminal, and elsewhere, as in the log of a job, a line every `line_every_s` seconds.
    """

    def __init__(self, total: int, partial: PartialFile, *, quiet: bool, line_every_s: float = LINE_EVERY_S) -> None:
        self._partial = partial
        self._total = total
        self._before = len(partial)
        self._tokens = 0
        self._seconds = 0.0
        self._bar = tqdm(total=total, initial=self._before, unit=" requests", disable=quiet or None, dynamic_ncols=True)
        self._lines = self._bar.disable and not quiet
        self._line_every_s = line_every_s

    def __enter__(self) -> Self:
        self._started = self._last_line = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.perf_counter() - self._started
        self._bar.close()

    def count(self, results: Collection[RequestResult]) -> None:
        """Add results that have been kept."""
        self._tokens += sum(_tokens(result) for result in results)
        now = time.perf_counter()
        rate = self._tokens / (now - self._started)
        self._bar.set_postfix_str(f"{rate:.0f} tokens/s, {self._failed()}", refresh=False)
        self._bar.update(len(results))
        if self._lines and now - self._last_line >= self._line_every_s:
            self._last_line = now
            sys.stderr.write(f"{len(self._partial)} of {self._total} requests, {self._failed()}\n")

    def summary(self) -> str:
        """What was done, at what rate; tokens are those of prompts and of completions."""
        done = self._total - self._before
        earlier = f" ({self._before} of them earlier)" if self._before else ""
        rates = f"{done / self._seconds:.1f} requests/s, {self._tokens / self._seconds:.0f} tokens/s"
        key = self._partial.key
        return (
            f"{self._total} requests{earlier}, {self._failed(with_codes=True)}, in {self._seconds:.1f} s: {rates}; "
            f"model {key.model}, seed {key.seed}"
        )

    def _failed(self, *, with_codes: bool = False) -> str:
        failures = self._partial.failures
        codes = ", ".join(f"{code} {count}" for code, count in failures.most_common()) if with_codes else ""
        return f"{failures.total()} failed" + (f" ({codes})" if codes else "")


def _tokens(result: RequestResult) -> int:
    drawn = sum(len(completion.tokens) for completion in result.completions or ())
    return (result.prompt_token_count or 0) + drawn
