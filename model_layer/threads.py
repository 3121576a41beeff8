"""How many threads the products use."""

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no stubs

from model_layer.kernels.binding import library


def use_threads(count: int) -> None:
    """Let the kernels, and every numeric library that is loaded by now, compute on at most `count` threads from now on."""
    kernels = library()
    if kernels is not None:
        kernels.kernels_use_threads(count)
    threadpool_limits(limits=count)
