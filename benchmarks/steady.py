"""Prefill, decode steps and batches of loaded engines, which take turns at every size."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks.engine_process import EngineProcess
from benchmarks.engines import Engine
from benchmarks.environments import NotHereError
from benchmarks.figures import Figure, Figures

CONTEXTS = (16, 128, 512, 1000)
PROMPTS = (128, 1000)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
BATCH_CONTEXT = 128
STEPS_A_TURN = 3
ALLOWANCE_S = 6  # an engine that took this long at one size has been measured enough

Request = Callable[[int], dict[str, object]]


class Field:
    """Loaded engines, in a process each. One that fails is left out from then on, with its reason."""

    def __init__(self, figures: Figures, engines: Sequence[Engine], *, threads: int, rounds: int) -> None:
        self._figures, self._threads, self._rounds = figures, threads, rounds
        self._stack = ExitStack()
        self._processes: dict[str, EngineProcess] = {}
        for engine in engines:
            process = self._stack.enter_context(EngineProcess(engine, threads=threads))
            try:
                process.load()
                self._processes[engine.name] = process
            except NotHereError as error:
                figures.not_here[engine.name] = str(error)

    def __enter__(self) -> "Field":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, quantity: str, sizes: Sequence[int], request: Request, *, only: Sequence[str] | None = None) -> None:
        """Ask every engine at every size, in turns; keep the medians."""
        for size in sizes:
            values: dict[str, list[float]] = {name: [] for name in self._processes if only is None or name in only}
            spent_s = dict.fromkeys(values, 0.0)
            for _ in range(self._rounds):
                for name, known in values.items():
                    if spent_s[name] < ALLOWANCE_S:
                        started = time.perf_counter()
                        known.extend(self._ask(name, request(size)))
                        spent_s[name] += time.perf_counter() - started
            for name, known in values.items():
                if known:
                    self._figures.add(Figure.median(quantity, name, known, size=size, threads=self._threads))
            sys.stdout.write(".")
            sys.stdout.flush()

    def _ask(self, name: str, request: dict[str, object]) -> list[float]:
        try:
            return self._processes[name].ask(**request) if name in self._processes else []
        except NotHereError as error:
            self._figures.not_here[name] = f"{error} ({request})"
            del self._processes[name]
            return []


def steps(context: int) -> dict[str, object]:
    """Steps of one sequence."""
    return {"op": "steps", "sequences": 1, "context": context, "count": STEPS_A_TURN}


def prefill(tokens: int) -> dict[str, object]:
    """One prefill."""
    return {"op": "prefill", "tokens": tokens}


def batch_steps(sequences: int) -> dict[str, object]:
    """Steps of many sequences at once."""
    return {"op": "steps", "sequences": sequences, "context": BATCH_CONTEXT, "count": STEPS_A_TURN}


def batching(engines: Sequence[Engine]) -> list[str]:
    """Names of the engines whose batches are measured."""
    return [engine.name for engine in engines if engine.spec.batches]
