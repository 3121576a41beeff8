"""The engine's side of the measurements: JSON lines on standard input and output, times taken here, in milliseconds.

Requests: `{"op": "load", "folder": F, "threads": N}`, `{"op": "prefill", "tokens": N}`, `{"op": "steps", "sequences": B,
"context": N, "count": C}`, `{"op": "peak_memory"}`. Answers: `{"values": [...]}`, or `{"error": "one line"}` after which the
worker still listens. Needs the standard library only: every peer's interpreter runs it.
"""

import json
import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

TURN_S = 0.5  # a slow engine takes fewer steps a turn, at least one
ROOM = 20  # steps before a context is filled anew: figures "at 1000" stay within the window of 1024


class Engine(ABC):
    """One sequence that is prefilled, then several that grow by a token a step. Every call ends with logits in memory."""

    remembers = True  # False: nothing is kept from call to call, and `generated_ms` stands for fork and step

    @abstractmethod
    def load(self, folder: str, threads: int) -> None:
        """Open the model; compute on `threads` threads from now on."""

    @abstractmethod
    def prefill(self, ids: list[int]) -> None:
        """Forget all sequences, and compute the logits after the one sequence `ids`."""

    @abstractmethod
    def fork(self, sequences: int) -> None:
        """Have the one sequence that many times, ready to grow apart."""

    @abstractmethod
    def step(self, ids: list[int]) -> None:
        """Compute the logits of every sequence after one more token each."""

    def generated_ms(self, sequences: list[list[int]], count: int) -> list[float]:
        """Milliseconds of each of `count` steps within one generation."""
        raise NotImplementedError


class Answering(Protocol):
    """What answers the requests of a coordinator."""

    def answer(self, request: dict[str, Any]) -> list[float]:
        """The values that a request asks for."""


class Worker:
    """Answers requests with one engine. Its random ids are the same in every engine, and never the same twice."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._random = random.Random(0)  # noqa: S311 - token ids for timing, not secrets
        self._at: tuple[int, int] = (0, 0)  # sequences and context of the steps that are under way
        self._steps = 0

    def answer(self, request: dict[str, Any]) -> list[float]:
        """The values that a request asks for."""
        operation = request.pop("op")
        answers: dict[str, Callable[..., list[float]]] = {
            "load": self.load,
            "prefill": self.prefill,
            "steps": self.steps,
            "peak_memory": peak_memory_mb,
        }
        return answers[operation](**request)

    def load(self, folder: str, threads: int) -> list[float]:
        """Milliseconds to open the model, its library's import not counted."""
        return [timed_ms(lambda: self.engine.load(folder, threads))]

    def prefill(self, tokens: int) -> list[float]:
        """Milliseconds of one prefill of a sequence that was never seen before."""
        ids = self._ids(tokens)
        self._at = (0, 0)
        return [timed_ms(lambda: self.engine.prefill(ids))]

    def steps(self, sequences: int, context: int, count: int) -> list[float]:
        """Milliseconds of each of up to `count` steps, of `sequences` sequences that grow on from `context` tokens."""
        if not self.engine.remembers:
            return self.engine.generated_ms([self._ids(context) for _ in range(sequences)], count)
        if self._at != (sequences, context) or self._steps + count > ROOM:
            self._start(sequences, context)
        values: list[float] = []
        while len(values) < count and sum(values) < TURN_S * 1000:
            ids = self._ids(sequences)
            values.append(timed_ms(lambda ids=ids: self.engine.step(ids)))  # type: ignore[misc] # a default binds the loop's value
        self._steps += len(values)
        return values

    def _start(self, sequences: int, context: int) -> None:
        self.engine.prefill(self._ids(context))
        self.engine.fork(sequences)
        self.engine.step(self._ids(sequences))  # the first step makes room, and is not counted
        self._at, self._steps = (sequences, context), 1

    def _ids(self, count: int) -> list[int]:
        return self._random.sample(range(1, 50_000), count)  # of one step, each different: sequences really grow apart


def timed_ms(action: Callable[[], object]) -> float:
    """Milliseconds that `action` takes."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def peak_memory_mb() -> list[float]:
    """The most memory this process ever held at once, in MB of 10**6 bytes (VmHWM of Linux)."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not otherwise loaded: start is timed
        line = next(line for line in status if line.startswith("VmHWM"))
    return [int(line.split()[1]) * 1024 / 1e6]


def run(make_engine: Callable[[], Engine]) -> None:
    """Answer requests with one engine."""
    serve(lambda: Worker(make_engine()))


def serve(make_worker: Callable[[], Answering]) -> None:
    """Answer the requests of standard input until it ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker: Answering | None = None
    for line in sys.stdin:
        try:
            worker = worker or make_worker()
            answer: dict[str, object] = {"values": worker.answer(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - a peer may fail in any way, and the other measurements go on
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]}
        answers.write(json.dumps(answer) + "\n")
