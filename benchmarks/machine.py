"""The machine in general words, and which cores a measurement runs on."""

import os
import platform
from pathlib import Path


def all_cores() -> list[int]:
    """Cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def cores_for(threads: int) -> list[int]:
    """The last ones: whoever measures runs on the first."""
    return all_cores()[-threads:]


def pin(process_id: int, cores: list[int]) -> None:
    """Hold a process, and all that it starts, to some cores. Does nothing where the system has no such call."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process_id, cores)


def describe() -> dict[str, object]:
    """Processor, cores, memory and Python; nothing that names this very machine."""
    return {
        "processor": _processor(),
        "cores": len(all_cores()),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    wide = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    return f"{model}, {wide}" if wide else model
