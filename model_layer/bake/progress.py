"""One progress bar, in bytes, on a terminal and nowhere else."""

from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types


def byte_progress(what: str, total: int) -> "tqdm[None]":
    """A progress bar of `total` bytes; its `update` takes the bytes done."""
    return tqdm(total=total, desc=what, unit="B", unit_scale=True, unit_divisor=1024, disable=None, leave=False)
