"""int8 loses no more than half a step, keeps zeros, and means the same in either orientation."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from model_layer.quantization import GROUP, WIDEN_AT_ONCE, Axis, Quantized, quantized, rows_at_once, scales_shape

AXES: tuple[Axis, ...] = get_args(Axis)
SHAPES = [(1, 1), (64, 3), (65, 3), (63, 130), (128, 64), (200, 77), (5, 1)]


def random_matrix(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float32]:
    """Numbers of a network's size, with some great ones among them."""
    return (0.02 * np.random.default_rng(seed).standard_t(3, shape)).astype(np.float32)


def spread(matrix: Quantized) -> NDArray[np.float32]:
    """The scale of each number."""
    return np.repeat(matrix.scales, GROUP, matrix.axis)[: matrix.shape[0], : matrix.shape[1]]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_is_half_a_step(shape: tuple[int, int], axis: Axis) -> None:
    """No number is further from the true one than half the scale of its group, and the greatest of a group is +-127 steps."""
    matrix = random_matrix(shape)
    narrow = quantized(matrix, axis)
    assert narrow.values.dtype == np.int8
    assert narrow.values.flags.c_contiguous
    assert narrow.shape == shape
    assert narrow.scales.shape == scales_shape(shape, axis)
    assert (np.abs(narrow.dequantized() - matrix) <= spread(narrow) * (0.5 + 1e-4)).all()
    starts = range(0, shape[axis], GROUP)
    assert (np.maximum.reduceat(np.abs(narrow.values), starts, axis) == 127).all()


@pytest.mark.parametrize("axis", AXES)
@given(matrix=arrays(np.float32, (3, 70), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_any_finite_number_can_be_stored(matrix: NDArray[np.float32], axis: Axis) -> None:
    """Numbers of any size, subnormal ones too, are within half a step, and -128 is never written."""
    narrow = quantized(matrix, axis)
    assert narrow.values.min() >= -127
    assert (np.abs(narrow.dequantized() - matrix) <= spread(narrow) * (0.5 + 1e-4)).all()


@pytest.mark.parametrize("axis", AXES)
def test_zeros_are_exact(axis: Axis) -> None:
    """A group of zeros has scale 0 and zeros among others stay zeros."""
    matrix = random_matrix((130, 130))
    matrix[:64] = 0
    matrix[:, :64] = 0
    matrix[70, ::3] = 0
    narrow = quantized(matrix, axis)
    assert (narrow.dequantized()[matrix == 0] == 0).all()
    assert (narrow.scales[0] == 0).all() if axis == 0 else (narrow.scales[:, 0] == 0).all()
    assert (narrow.scales > 0).any()


def test_numbers_mean_what_the_format_says() -> None:
    """weight[k, n] = scales[k // 64, n] * values[k, n], and along the other axis for the embedding."""
    rng = np.random.default_rng(1)
    values = rng.integers(-127, 128, (130, 5)).astype(np.int8)
    scales = rng.random((3, 5)).astype(np.float32)
    expected = np.array([[scales[k // 64, n] * values[k, n] for n in range(5)] for k in range(130)], np.float32)
    np.testing.assert_array_equal(Quantized(values, scales, 0).dequantized(), expected)
    np.testing.assert_array_equal(Quantized(values.T.copy(), scales.T.copy(), 1).dequantized(), expected.T)


@pytest.mark.parametrize("axis", AXES)
def test_a_transposed_matrix_is_the_matrix_transposed(axis: Axis) -> None:
    """Transposing copies nothing, keeps the memory order, and is its own inverse."""
    narrow = quantized(random_matrix((130, 70)), axis)
    turned = narrow.T
    assert np.shares_memory(turned.values, narrow.values)
    assert turned.shape == (70, 130)
    np.testing.assert_array_equal(turned.dequantized(), narrow.dequantized().T)
    assert turned.dequantized().flags.f_contiguous
    assert turned.T.axis == axis


@pytest.mark.parametrize("axis", AXES)
def test_pieces_are_the_whole(axis: Axis) -> None:
    """A matrix of more than a piece is quantised and widened in pieces as it is whole."""
    matrix = random_matrix((400, 500))
    assert matrix.size > WIDEN_AT_ONCE
    whole = quantized(matrix, axis)
    at_once = rows_at_once(matrix.shape, 70_000)
    assert 0 < at_once < len(matrix)
    pieces = [quantized(matrix[begin : begin + at_once], axis) for begin in range(0, len(matrix), at_once)]
    np.testing.assert_array_equal(np.concatenate([piece.values for piece in pieces]), whole.values)
    np.testing.assert_array_equal(np.concatenate([piece.scales for piece in pieces]), whole.scales)
    np.testing.assert_array_equal(np.concatenate([piece.dequantized() for piece in pieces]), whole.dequantized())


def test_rows_are_those_of_the_whole() -> None:
    """Rows of an embedding, some twice, are the rows of the whole matrix; where rows share scales there is no look-up."""
    embedding = quantized(random_matrix((90, 70)), 1)
    ids = np.array([3, 89, 3, 0], np.intp)
    np.testing.assert_array_equal(embedding.rows(ids), embedding.dequantized()[ids])
    assert embedding.rows(ids[:0]).shape == (0, 70)
    with pytest.raises(ValueError, match="axis"):
        embedding.T.rows(ids)
