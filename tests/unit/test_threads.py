"""The number of threads is what was asked for."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped] # it has no stubs

from model_layer.threads import use_threads


def test_matrix_products_use_as_many_threads_as_asked_for() -> None:
    """After the call, every numeric library that is loaded is held to the number."""
    assert np.ones(2) @ np.ones(2) == 2
    with threadpool_limits(limits=2):  # puts the numbers back that the other tests had
        use_threads(1)
        assert {library["num_threads"] for library in threadpool_info()} == {1}
