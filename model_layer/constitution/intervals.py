"""Confidence intervals by the bootstrap (Efron 1979): rates and differences of rates over the same prompts.

Where all units have one value, resampling knows of no other: of shares the interval is then widened by the rule of three
(Hanley and Lippman-Hand 1983, "If nothing goes wrong, is everything all right?").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 4000
SEED = 20
PERCENTILES = (2.5, 97.5)

Bounds = tuple[float, float]
SHARE: Bounds = (0.0, 1.0)
DIFFERENCE: Bounds = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `count` units, with its 95 % confidence interval (percentiles of the bootstrap)."""

    value: float
    low: float
    high: float
    count: int


def mean_estimate(values: ArrayLike, *, bounds: Bounds | None = None) -> Estimate:
    """The mean of the values, one a unit (a prompt, a text); `bounds` are those of a share, or of a difference of shares.

    An empty sequence has no mean: raises ValueError.
    """
    each = np.asarray(values, np.float64)
    if not each.size:
        raise ValueError("there is no mean of nothing")
    low, high = np.percentile(_resampled_means(each), PERCENTILES)
    if bounds and each.min() == each.max():
        low, high = max(bounds[0], low - 3 / each.size), min(bounds[1], high + 3 / each.size)
    return Estimate(float(each.mean()), float(low), float(high), each.size)


def mean_difference(before: Sequence[float], after: Sequence[float], *, bounds: Bounds | None = None) -> Estimate:
    """The mean of after - before, unit by unit: what the units have in common cancels out."""
    return mean_estimate(np.asarray(after, np.float64) - np.asarray(before, np.float64), bounds=bounds)


def _resampled_means(each: NDArray[np.float64]) -> NDArray[np.float64]:
    draws = np.random.default_rng(SEED).integers(each.size, size=(RESAMPLES, each.size))
    return np.asarray(each[draws].mean(axis=1))
