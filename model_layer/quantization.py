"""int8 weights: GROUP consecutive numbers along the dimension that a product sums over share one float32 scale.

    weight[k, n] = scales[k // GROUP, n] * values[k, n]      axis 0: a linear layer, (in, out)
    weight[v, d] = scales[v, d // GROUP] * values[v, d]      axis 1: embedding and head, (vocab_size, width)

Symmetric: values are from -127 to 127 and zero is exact. The last group is shorter where the dimension is no multiple of GROUP.
Nothing ever divides by a stored scale, so a group of zeros has scale 0.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

GROUP = 64
GREATEST = 127
WIDEN_AT_ONCE = 2**17  # numbers: what is worked on stays in the second-level cache
SMALLEST_SCALE = np.finfo(np.float32).tiny  # a subnormal one would not hold its digits

Axis = Literal[0, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """A matrix in int8; `axis` is the contracted one, along which `scales` has ceil(size / GROUP) entries."""

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    axis: Axis

    @property
    def shape(self) -> tuple[int, ...]:
        """That of `values`."""
        return self.values.shape

    @property
    def T(self) -> "Quantized":  # noqa: N802 - NumPy's name for it
        """The transposed matrix; nothing is copied."""
        return Quantized(self.values.T, self.scales.T, 0 if self.axis else 1)

    def dequantized(self) -> NDArray[np.float32]:
        """The float32 numbers that the matrix stands for, in the memory order of `values`."""
        if not self.values.flags.c_contiguous:
            return self.T.dequantized().T
        wide = np.empty(self.shape, np.float32)
        at_once = rows_at_once(self.shape, WIDEN_AT_ONCE)
        for begin in range(0, self.shape[0], at_once):
            rows = wide[begin : begin + at_once]
            groups = slice(begin, begin + at_once) if self.axis else slice(begin // GROUP, (begin + at_once) // GROUP)
            rows[:] = self.values[begin : begin + at_once]
            rows *= np.repeat(self.scales[groups], GROUP, self.axis)[: len(rows), : self.shape[1]]
        return wide

    def rows(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Some rows in float32, (indices, columns). Raises ValueError unless each row has scales of its own (axis 1)."""
        if self.axis != 1:
            raise ValueError("rows are looked up along the axis that has no groups")
        return Quantized(self.values[indices], self.scales[indices], 1).dequantized()


def quantized(matrix: NDArray[np.floating], axis: Axis) -> Quantized:
    """The matrix, whose numbers are finite, in int8: rounded to nearest, no number further off than half its group's scale.

    The scale is the group's greatest magnitude / 127 (arXiv:2004.09602 section 3.1, symmetric). Clipping it gains nothing at
    127 steps: what the greatest number loses is more than all others win.
    """
    groups = _grouped(matrix, axis)
    greatest = np.abs(groups).max(axis + 1, keepdims=True)
    scales = np.where(greatest > 0, np.maximum(greatest / np.float32(GREATEST), SMALLEST_SCALE), np.float32(0))
    steps = np.divide(groups, scales, out=np.zeros_like(groups), where=scales > 0)
    np.rint(steps, out=steps)
    rows, columns = matrix.shape
    values = steps.astype(np.int8).reshape((-1, columns) if axis == 0 else (rows, -1))[:rows, :columns]
    return Quantized(np.ascontiguousarray(values), scales.squeeze(axis + 1), axis)


def rows_at_once(shape: tuple[int, ...], numbers: int) -> int:
    """Whole groups of rows that hold about `numbers` numbers: a matrix can be worked on in pieces of so many rows."""
    return max(1, numbers // max(1, shape[1]) // GROUP) * GROUP


def scales_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """Shape of the scales of a matrix."""
    return tuple(-(-size // GROUP) if dimension == axis else size for dimension, size in enumerate(shape))


def _grouped(matrix: NDArray[np.floating], axis: Axis) -> NDArray[np.float32]:
    """(in, out) -> (groups, GROUP, out), (rows, width) -> (rows, groups, GROUP); zeros fill up the last group."""
    missing = -matrix.shape[axis] % GROUP
    padded = np.pad(matrix.astype(np.float32, copy=False), [(0, missing if dimension == axis else 0) for dimension in (0, 1)])
    rows, columns = padded.shape
    return padded.reshape((-1, GROUP, columns) if axis == 0 else (rows, -1, GROUP))
