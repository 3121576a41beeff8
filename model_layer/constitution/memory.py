"""How much memory this process took."""

import resource
import sys
from pathlib import Path


def peak_memory_mb() -> float:
    """The most memory that this process ever held at once, in MB of 10**6 bytes; pages of mapped files count, too."""
    status = Path("/proc/self/status")  # not getrusage, which on Linux also remembers what the parent held
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
