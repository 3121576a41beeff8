"""The C kernels against NumPy in float64, for every instruction set of this processor, type and odd shape; and their bits."""

import ctypes
import multiprocessing
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from model_layer.activations import gelu_tanh
from model_layer.config import Gpt2Config
from model_layer.kernels import binding
from model_layer.kernels.layers import KernelLayers
from model_layer.kv_cache import KvCache
from model_layer.layers import Span
from model_layer.numpy_layers import NumpyLayers
from model_layer.quantization import Quantized, quantized
from model_layer.weights import Weight

Kind = Literal["float32", "float16", "int8"]
FLOAT32, FLOAT16 = np.dtype(np.float32), np.dtype(np.float16)
# Inputs and outputs: less than a vector, odd, a whole number of groups, more than one block of columns.
SHAPES = [(1, 1), (3, 5), (16, 16), (17, 31), (64, 48), (65, 49), (100, 770), (128, 96), (200, 1000)]
ROWS = [1, 2, 3, 4, 5, 8, 9, 13, 16, 33]


def built() -> ctypes.CDLL:
    """The library; the test is skipped without it."""
    library = binding.library()
    if library is None:
        pytest.skip("needs the C kernels: python -m model_layer.kernels.build")
    return library


def path_names() -> list[str]:
    """What can be tested here."""
    library = binding.library()
    return ["none"] if library is None else binding.paths(library)


@pytest.fixture(params=path_names())
def library(request: pytest.FixtureRequest) -> Iterator[ctypes.CDLL]:
    """The library on one of its paths."""
    library = built()
    assert library.kernels_use_path(request.param.encode()) == 0
    yield library
    library.kernels_use_path(library.kernels_path(0))
    library.kernels_use_threads(1)


def random(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def stored(numbers: NDArray[np.float32], kind: Kind, axis: Literal[0, 1]) -> Weight:
    """The numbers in the type, summed over along the axis."""
    return quantized(numbers, axis) if kind == "int8" else numbers.astype(kind)


def exact(weight: Weight) -> NDArray[np.float64]:
    """What a stored weight stands for."""
    return (weight.dequantized() if isinstance(weight, Quantized) else weight).astype(np.float64)


def assert_product(found: NDArray[np.float32], x: NDArray[np.float32], weight: NDArray[np.float64], plus: Any) -> None:
    """`found` is x @ weight + plus, to a few roundings of the sum of magnitudes."""
    magnitude = np.abs(x) @ np.abs(weight) + np.abs(plus)
    assert (np.abs(found - (x @ weight + plus)) <= 1e-6 * magnitude + 1e-30).all()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_columns_are_the_product(library: ctypes.CDLL, kind: Kind) -> None:
    """(in, out) weights of every type and shape, any number of rows: x @ weight + bias, and on top of sums."""
    layers = KernelLayers(library, FLOAT32)
    for inputs, outputs in SHAPES:
        weight, bias = stored(random((inputs, outputs)), kind, 0), random((outputs,), 1)
        layer = layers.linear(weight, bias)
        for rows in ROWS:
            x, sums = random((rows, inputs), 2), random((rows, outputs), 3)
            assert_product(layer(x), x, exact(weight), bias)
            before = sums.copy()
            layer.add_to(sums, x)
            assert_product(sums, x, exact(weight), bias + before)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_dots_are_the_product(library: ctypes.CDLL, kind: Kind) -> None:
    """(out, in) weights of every type and shape, any number of rows: x @ weight.T."""
    layers = KernelLayers(library, FLOAT32)
    for inputs, outputs in SHAPES:
        weight = stored(random((outputs, inputs)), kind, 1)
        for rows in ROWS:
            x = random((rows, inputs), 2)
            assert_product(layers.head(weight)(x), x, exact(weight).T, 0)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_row_has_the_same_bits_in_every_company(library: ctypes.CDLL, kind: Kind) -> None:
    """A row's result depends neither on how many rows are beside it nor on the number of threads."""
    layers = KernelLayers(library, FLOAT32)
    inputs, outputs = 200, 1001
    both = [
        layers.linear(stored(random((inputs, outputs)), kind, 0), random((outputs,), 1), "gelu_new"),
        layers.head(stored(random((outputs, inputs)), kind, 1)),
    ]
    x = random((40, inputs), 2)
    for layer in both:
        library.kernels_use_threads(1)
        alone = np.concatenate([layer(x[row : row + 1]) for row in range(len(x))])
        for threads in (1, 2, 5):
            library.kernels_use_threads(threads)
            for rows in ROWS:
                np.testing.assert_array_equal(layer(x[:rows]), alone[:rows])


def test_the_activation_is_gelu(library: ctypes.CDLL) -> None:
    """A layer that copies its input answers GELU of it, over the whole range of float32 that matters, without NaN."""
    layer = KernelLayers(library, FLOAT32).linear(np.ones((1, 1), np.float32), np.zeros(1, np.float32), "gelu_new")
    x = np.concatenate([np.linspace(-12, 12, 4001), [-1e4, -100, -30, 0, 30, 100, 1e4]]).astype(np.float32)[:, None]
    np.testing.assert_allclose(layer(x), gelu_tanh(x), rtol=2e-6, atol=3e-7)


def test_activations_of_numpy_follow_the_kernel(library: ctypes.CDLL) -> None:
    """An activation that the kernels do not have is applied to their product."""
    weight, x = random((8, 8)), random((3, 8), 1)
    layer = KernelLayers(library, FLOAT32).linear(weight, np.zeros(8, np.float32), "relu")
    np.testing.assert_allclose(layer(x), np.maximum(x @ weight, 0), atol=1e-5)


def test_layer_norm_is_that_of_numpy(library: ctypes.CDLL) -> None:
    """Odd widths, a constant row, and many rows at once."""
    for width in (1, 2, 7, 16, 33, 770):
        gain, bias, rows = random((width,)), random((width,), 1), random((70, width), 2) * 3 + 5
        rows[1] = 0.5  # a constant row has no variance to divide by
        expected = NumpyLayers(FLOAT32).normalisation(gain, bias, 1e-5)(rows)
        found = KernelLayers(library, FLOAT32).normalisation(gain, bias, 1e-5)(rows)
        np.testing.assert_allclose(found, expected, atol=2e-5)


CONFIG = Gpt2Config(layers=2, heads=3, width=21, inner_width=4, context_window=300, vocab_size=5, end_of_text_id=0)
WIDE = Gpt2Config(layers=2, heads=2, width=128, inner_width=4, context_window=300, vocab_size=5, end_of_text_id=0)


def attended(layers: Any, config: Gpt2Config, mixed: NDArray[np.float32], pieces: list[int]) -> NDArray[np.float32]:
    """Attention of one sequence in its last layer, its tokens given in pieces."""
    cache, results, first = KvCache.empty(config, layers.cache_dtype), [], 0
    for tokens in pieces:
        longer = cache.extended(tokens)
        attention = layers.attention(config, [Span(0, tokens, cache.length, longer)])
        results.append(attention(config.layers - 1, mixed[first : first + tokens].copy()))
        cache, first = longer, first + tokens
    return np.concatenate(results)


@pytest.mark.parametrize("config", [CONFIG, WIDE])
def test_attention_is_that_of_numpy(library: ctypes.CDLL, config: Gpt2Config) -> None:
    """Over both types of cache, in one piece and in many, to rounding: float32 exactly stated, float16 by its own step."""
    mixed = random((150, 3 * config.width))
    expected = attended(NumpyLayers(FLOAT32), config, mixed, [150])
    for dtype, tolerance in ((FLOAT32, 1e-5), (FLOAT16, 3e-3)):
        for pieces in ([150], [1] * 150, [31, 1, 32, 65, 21]):
            np.testing.assert_allclose(attended(KernelLayers(library, dtype), config, mixed, pieces), expected, atol=tolerance)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT16])
def test_attention_has_the_same_bits_in_every_company(library: ctypes.CDLL, dtype: np.dtype[np.floating]) -> None:
    """A token's result is the same in a step, in a prefill, beside other sequences and on several threads."""
    layers = KernelLayers(library, dtype)
    mixed = random((150, 3 * WIDE.width))
    alone = attended(layers, WIDE, mixed, [1] * 150)
    for threads in (1, 3):
        library.kernels_use_threads(threads)
        np.testing.assert_array_equal(attended(layers, WIDE, mixed, [150]), alone)
        np.testing.assert_array_equal(attended(layers, WIDE, mixed, [40, 33, 1, 76]), alone)
    caches = [KvCache.empty(WIDE, dtype).extended(count) for count in (90, 1, 150)]
    begins = np.cumsum([0, 90, 1, 150]).tolist()
    spans = [Span(begins[n], begins[n + 1], 0, cache) for n, cache in enumerate(caches)]
    batch = layers.attention(WIDE, spans)(1, np.concatenate([mixed[:90], mixed[:1], mixed]))
    np.testing.assert_array_equal(batch, np.concatenate([alone[:90], alone[:1], alone]))


def test_a_later_token_never_changes_an_earlier_one(library: ctypes.CDLL) -> None:
    """Not even one whose keys and values are beyond the range of float16."""
    mixed = random((40, 3 * WIDE.width))
    alone = attended(KernelLayers(library, FLOAT16), WIDE, mixed, [40])
    mixed[20:] *= 1e6
    np.testing.assert_array_equal(attended(KernelLayers(library, FLOAT16), WIDE, mixed, [40])[:20], alone[:20])


def test_what_is_not_a_number_stays_so(library: ctypes.CDLL) -> None:
    """A damaged input shows in the result, whatever the activation, and is never made into an ordinary number."""
    layer = KernelLayers(library, FLOAT32).linear(np.eye(8, dtype=np.float32), np.zeros(8, np.float32), "gelu_new")
    rows = np.full((2, 8), np.nan, np.float32)
    assert np.isnan(layer(rows)).all()
    mixed = random((3, 3 * WIDE.width))
    mixed[1, : WIDE.width] = np.nan
    found = attended(KernelLayers(library, FLOAT32), WIDE, mixed, [3])
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_half_precision_rounds_as_numpy_does(library: ctypes.CDLL) -> None:
    """What attention puts into a float16 page are NumPy's roundings, subnormal numbers and ties included; none is infinite."""
    config = Gpt2Config(layers=1, heads=1, width=8, inner_width=4, context_window=300, vocab_size=5, end_of_text_id=0)
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2
    numbers = np.concatenate([halves, ties, np.nextafter(ties, np.float32(0)), np.array([65519, 65520, 1e9], np.float32)])
    numbers = np.resize(np.concatenate([numbers, -numbers]), (-(-2 * len(numbers) // (8 * 256)) * 256, 8))
    for begin in range(0, len(numbers), 256):
        rows = numbers[begin : begin + 256]
        cache = KvCache.empty(config, FLOAT16).extended(256)
        mixed = np.concatenate([np.zeros_like(rows), rows, rows], axis=1)
        KernelLayers(library, FLOAT16).attention(config, [Span(0, 256, 0, cache)])(0, mixed)
        expected = np.clip(rows, -65504, 65504).astype(np.float16)
        keys = np.concatenate([page.keys[0, 0].T for page in cache.pages])
        values = np.concatenate([page.values[0, 0] for page in cache.pages])
        np.testing.assert_array_equal(keys.view(np.uint16), expected.view(np.uint16))
        np.testing.assert_array_equal(values.view(np.uint16), expected.view(np.uint16))


def test_nothing_of_a_wrong_shape_reaches_the_kernels(library: ctypes.CDLL) -> None:
    """Rows of another width or type, not contiguous or read-only, and results of another size are refused at the border."""
    layers = KernelLayers(library, FLOAT32)
    layer = layers.linear(random((8, 6)), np.zeros(6, np.float32))
    frozen = random((2, 8))
    frozen.flags.writeable = False
    for rows in (
        random((2, 7)),
        random((2, 8)).astype(np.float64),
        random((8, 2)).T,
        random((8,)),
        random((2, 8)).astype(">f4"),
        frozen,
    ):
        with pytest.raises((ValueError, TypeError, BufferError)):
            layer(cast(Any, rows))
    for sums in (random((2, 5)), random((3, 6)), random((6, 2)).T):
        with pytest.raises((ValueError, TypeError, BufferError)):
            layer.add_to(sums, random((2, 8)))
    for make in (
        lambda: layers.linear(random((6, 8)).T, np.zeros(6, np.float32)),
        lambda: layers.linear(random((8, 6)), np.zeros(5, np.float32)),
        lambda: layers.linear(quantized(random((1, 64)), 1), np.zeros(64, np.float32)),
        lambda: layers.head(quantized(random((64, 1)), 0)),
        lambda: layers.normalisation(random((8,)), random((7,)), 1e-5),
        lambda: layers.normalisation(random((8,)), random((8,)), 1e-5)(random((2, 9))),
    ):
        with pytest.raises((ValueError, TypeError, BufferError)):
            make()
    attention = layers.attention(CONFIG, [Span(0, 2, 0, KvCache.empty(CONFIG).extended(2))])
    for mixed in (random((3, 63)), random((2, 62))):
        with pytest.raises(ValueError, match="rows"):
            attention(0, mixed)


def test_many_callers_share_the_pool(library: ctypes.CDLL) -> None:
    """Threads that multiply at the same time, on pools of changing size, all get their own results."""
    layers = KernelLayers(library, FLOAT32)
    weights = [random((300, 700), seed) for seed in range(6)]
    x = random((3, 300), 9)
    library.kernels_use_threads(1)
    alone = [layers.linear(weight, np.zeros(700, np.float32))(x) for weight in weights]

    def work(number: int) -> None:
        layer = layers.linear(weights[number], np.zeros(700, np.float32))
        for turn in range(40):
            library.kernels_use_threads(1 + turn % 4)
            np.testing.assert_array_equal(layer(x), alone[number])

    with ThreadPoolExecutor(len(weights)) as pool:
        list(pool.map(work, range(len(weights))))


def threads_of_this_process() -> int:
    """Those of the kernels and of everything else."""
    return len(list(Path("/proc/self/task").iterdir()))


def _product_in_child(connection: Any) -> None:
    layer = KernelLayers(built(), FLOAT32).linear(random((300, 700)), np.zeros(700, np.float32))
    connection.send((layer(random((3, 300), 1)), threads_of_this_process()))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # which is what is tested
def test_a_forked_child_computes(library: ctypes.CDLL) -> None:
    """A child process, which has none of its parent's threads, starts its own."""
    library.kernels_use_threads(3)
    expected = KernelLayers(library, FLOAT32).linear(random((300, 700)), np.zeros(700, np.float32))(random((3, 300), 1))
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_product_in_child, args=(theirs,))
    child.start()
    assert ours.poll(60), "the child hangs"
    found, threads = ours.recv()
    child.join()
    np.testing.assert_array_equal(found, expected)
    assert threads >= 3


def test_a_thread_that_ends_leaves_nothing_behind(library: ctypes.CDLL) -> None:
    """Servers multiply in one short-lived thread after another: memory does not grow with their number."""
    layer = KernelLayers(library, FLOAT32).linear(random((256, 2000)), np.zeros(2000, np.float32))
    rows = random((64, 256), 1)

    def memory_kb_after(threads: int) -> int:
        for _ in range(threads):
            one = threading.Thread(target=layer, args=(rows,))
            one.start()
            one.join()
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])

    before = memory_kb_after(20)
    assert memory_kb_after(200) < before + 200 * 16  # a block of converted weights is 100 KB or more
