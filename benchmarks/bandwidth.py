"""What the memory can give: GB/s that one and two cores read, and the least time of a step, which reads every weight once."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.engines import Engine
from benchmarks.figures import Figure, Figures
from benchmarks.machine import all_cores, cores_for, pin

SOURCE = Path(__file__).with_name("read_memory.c")
MEGABYTES = 512
ROUNDS = 10
MEMORY = "memory"
UNREAD = "wpe.weight"  # a step reads one row of the positions; of the tokens it reads all, as the head


def measure(figures: Figures, engines: Sequence[Engine]) -> None:
    """`bandwidth_gb_s` for one and two threads, and `weights_mb` of the engines whose files are safetensors."""
    for threads, rate in rates().items():
        figures.add(Figure("bandwidth_gb_s", MEMORY, 0, threads, rate, ROUNDS))
    for engine in engines:
        if (engine.folder / "model.safetensors").is_file():
            figures.add(Figure("weights_mb", engine.name, 0, 1, round(weight_bytes(engine.folder) / 1e6, 1), 1))


def measure_again(figures: Figures) -> None:
    """Keep the better of two measurements: before and after the steps, in case a neighbour was busy at one of them."""
    for threads, rate in rates().items():
        known = figures.value("bandwidth_gb_s", MEMORY, threads=threads)
        figures.add(Figure("bandwidth_gb_s", MEMORY, 0, threads, max(rate, known or rate), 2 * ROUNDS))


def rates() -> dict[int, float]:
    """GB/s by threads, as many as there are cores, at most two."""
    with tempfile.TemporaryDirectory() as folder:
        read = reader(Path(folder))
        return {threads: round(read(threads), 2) for threads in (1, 2) if threads <= len(all_cores())}


def floor_ms(figures: Figures, engine: str, *, threads: int = 1) -> float | None:
    """Milliseconds that reading the engine's weights once takes, or None when that was not measured."""
    megabytes = figures.value("weights_mb", engine)
    rate = figures.value("bandwidth_gb_s", MEMORY, threads=threads)
    return None if megabytes is None or rate is None else megabytes / rate


def reader(folder: Path) -> Callable[[int], float]:
    """Reads with some threads and tells GB/s of 10**9 bytes: a compiled loop where there is a compiler, else NumPy."""
    compiler = shutil.which("cc")
    program = folder / "read_memory"
    command = [compiler or "", "-O3", "-march=native", "-pthread", "-o", str(program), str(SOURCE)]
    if compiler is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return lambda threads: numpy_gb_s() * threads
    return lambda threads: compiled_gb_s(program, threads)


def compiled_gb_s(program: Path, threads: int) -> float:
    """The best of ROUNDS."""
    arguments = [str(program), str(MEGABYTES), str(threads), str(ROUNDS)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    pin(process.pid, cores_for(threads))
    return float(process.communicate()[0])


def numpy_gb_s() -> float:
    """The best of ROUNDS by a product of a long vector with itself, where nothing can be compiled."""
    vector = np.ones(MEGABYTES * 250_000, np.float32)
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        vector @ vector
        best = min(best, time.perf_counter() - started)
    return vector.nbytes / best / 1e9


def weight_bytes(folder: Path) -> int:
    """Bytes of a safetensors file that a decode step reads."""
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    spans = [entry["data_offsets"] for name, entry in header.items() if not name.endswith(UNREAD)]
    return sum(end - begin for begin, end in spans)
