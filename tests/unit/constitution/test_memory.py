"""The peak of this process's memory."""

import subprocess
import sys

from model_layer.constitution.memory import peak_memory_mb

TAKEN = """
from model_layer.constitution.memory import peak_memory_mb
before = peak_memory_mb()
taken = b"x" * 200_000_000
del taken
print(peak_memory_mb() - before)
"""


def test_what_was_given_back_still_counts() -> None:
    """200 MB that were held once are in the peak."""
    done = subprocess.run([sys.executable, "-c", TAKEN], capture_output=True, text=True, check=True)
    assert 190 < float(done.stdout) < 250


def test_the_peak_never_falls() -> None:
    """It is a maximum since the start."""
    before = peak_memory_mb()
    assert 0 < before <= peak_memory_mb()
