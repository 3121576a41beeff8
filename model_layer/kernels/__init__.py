"""The hot loops of the engine in C: built by build.py, called through binding.py, made into layers by layers.py."""

from pathlib import Path

LIBRARY = Path(__file__).parent / "kernels.so"
