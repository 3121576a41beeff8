"""How many threads the matrix products use."""

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no stubs


def use_threads(count: int) -> None:
    """Let every numeric library that is loaded by now compute on at most `count` threads, for the rest of the process."""
    threadpool_limits(limits=count)
