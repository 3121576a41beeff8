"""The coordinator's side of the measurements: one engine in a process of its own, pinned to its cores."""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from benchmarks.engines import Engine
from benchmarks.environments import REPOSITORY, NotHereError, last_line
from benchmarks.machine import cores_for, pin

ANSWER_TIMEOUT_S = 180
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(threads: int, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of this process, with every library held to `threads` from its import on."""
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "TQDM_DISABLE": "1", **given}


class EngineProcess:
    """A worker that answers one request at a time. Nothing is loaded before the first `ask(op="load", ...)`."""

    def __init__(self, engine: Engine, *, threads: int) -> None:
        self._engine, self._threads = engine, threads
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [str(engine.python), "-m", f"benchmarks.workers.{engine.spec.worker}"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(threads, engine.spec.environment),
            cwd=REPOSITORY,
        )
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        self._requests, self._answers = self._process.stdin, self._process.stdout
        pin(self._process.pid, cores_for(threads))

    def load(self) -> None:
        """Open the engine's model. Raises NotHereError."""
        self.ask(op="load", folder=str(self._engine.folder), threads=self._threads)

    def ask(self, **request: object) -> list[float]:
        """The values that the worker answers. Raises NotHereError with the reason that it gives, or when it is gone."""
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._gone() from None
        ready, _, _ = select.select([self._answers], [], [], ANSWER_TIMEOUT_S)
        if not ready:
            raise NotHereError(f"no answer within {ANSWER_TIMEOUT_S} s")
        line = self._answers.readline()
        if not line:
            raise self._gone()
        answer = json.loads(line)
        if "error" in answer:
            raise NotHereError(str(answer["error"]))
        return [float(value) for value in answer["values"]]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._errors.close()
        self._requests.close()
        self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _gone(self) -> NotHereError:
        self._process.wait()
        self._errors.seek(0)
        return NotHereError(last_line(self._errors.read().decode(errors="replace")))
