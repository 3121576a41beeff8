"""One wheel spun many times: how often each slice came, beside how likely it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handler.wheel.wheel import Slice, Wheel

NORMAL_QUANTILE_95 = 1.959963984540054  # of the normal distribution, two-sided


@dataclass(frozen=True, slots=True)
class SliceCount:
    """A slice and the number of spins that stopped on it; `low` and `high` bound its share with 95 % confidence."""

    piece: Slice
    count: int
    frequency: float
    low: float
    high: float


def spin_room(wheel: Wheel, numbers: Sequence[float]) -> list[SliceCount]:
    """What the spins with these uniform numbers stop on, by slice: each spin stops as `Wheel.at` says."""
    stops = wheel.slices_at(np.asarray(numbers, np.float64))
    counts = np.bincount(stops, minlength=len(wheel.slices))
    return [_counted(piece, int(count), len(numbers)) for piece, count in zip(wheel.slices, counts, strict=True)]


def wilson_interval(count: int, trials: int) -> tuple[float, float]:
    """Where a share lies with 95 % confidence, `count` of `trials` having been seen (Wilson 1927, equation 5).

    Unlike the mean plus or minus two standard errors it stays within 0 and 1, and is of use for a count of 0.
    """
    z, share = NORMAL_QUANTILE_95, count / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # The share lies between the two by the formula, and by rounding errors is just outside at 0 and 1.
    return min(share, max(0.0, (middle - half) / scale)), max(share, min(1.0, (middle + half) / scale))


def _counted(piece: Slice, count: int, spins: int) -> SliceCount:
    low, high = wilson_interval(count, spins)
    return SliceCount(piece, count, count / spins, low, high)
