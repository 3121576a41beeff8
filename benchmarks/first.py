"""From the start of a process to the first distribution after 16 tokens: the model alone, no web framework."""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engine_process import EngineProcess
from benchmarks.engines import Engine
from benchmarks.environments import REPOSITORY, NotHereError, packages
from benchmarks.figures import Figure, Figures
from benchmarks.page_cache import drop, interpreter_files

PROMPT_TOKENS = 16


def measure(figures: Figures, engines: Sequence[Engine], *, rounds: int) -> None:
    """`first_ms` with warm page cache, `first_dropped_ms` without, and the `peak_memory_mb` of it, engines in turn."""
    values: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        for engine in engines:
            for quantity, value in _turn(figures, engine, turn).items():
                values.setdefault((quantity, engine.name), []).append(value)
    for (quantity, name), measured in values.items():
        figures.add(Figure.median(quantity, name, measured, size=0 if quantity == "peak_memory_mb" else PROMPT_TOKENS))


def _turn(figures: Figures, engine: Engine, turn: int) -> dict[str, float]:
    """What one start tells, by quantity; nothing of the first turn, which fills the page cache, or of an engine that fails."""
    if engine.name in figures.not_here:
        return {}
    try:
        warm_ms, memory_mb = first(engine)
        if turn == 0:
            return {}
        values = {"first_ms": warm_ms, "peak_memory_mb": memory_mb}
        if turn % 2:  # half as many: each leaves the page cache full again
            drop(files(engine))
            values["first_dropped_ms"] = first(engine)[0]
        return values
    except NotHereError as error:
        figures.not_here[engine.name] = str(error)
        return {}


def first(engine: Engine) -> tuple[float, float]:
    """Milliseconds to the first distribution, and the process's peak memory in MB. Raises NotHereError."""
    with EngineProcess(engine, threads=1) as process:
        process.load()
        process.ask(op="prefill", tokens=PROMPT_TOKENS)
        elapsed_ms = (time.perf_counter() - process.started) * 1000
        return elapsed_ms, process.ask(op="peak_memory")[0]


def files(engine: Engine) -> list[Path]:
    """Everything that the engine may read while it starts."""
    return [engine.folder, packages(engine.python), interpreter_files(), REPOSITORY / "model_layer"]
