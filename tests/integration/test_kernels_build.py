"""The kernels' own build: under the sanitizers, for 64-bit ARM, without a compiler, and that what was built is current."""

import logging
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.kernels import LIBRARY, binding, build
from model_layer.kv_cache import KvCache
from model_layer.language_model import LanguageModel
from model_layer.layers import Span
from model_layer.numpy_layers import NumpyLayers, NumpyNormalisation
from model_layer.quantization import Quantized, quantized
from tests.tiny_models import make_tiny_model

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "tests" / "native" / "driver.c"
TESTS_OF_ANOTHER_LIBRARY = """
import sys
from pathlib import Path
import pytest
from model_layer.kernels import binding
binding.LIBRARY = Path({library!r})
sys.exit(pytest.main(["tests/unit/test_kernels.py", "-q", "-s", "-p", "no:cacheprovider", "-k", "not leaves_nothing_behind"]))
"""


def test_what_was_built_is_current() -> None:
    """The library is younger than its sources: otherwise the tests would be of another one."""
    if not LIBRARY.exists():
        pytest.skip("needs the C kernels: make test builds them where there is a C compiler")
    sources = [*build.FOLDER.glob("*.[ch]"), build.FOLDER / "build.py"]
    assert LIBRARY.stat().st_mtime >= max(source.stat().st_mtime for source in sources), "build them again: make test"


def test_the_kernels_stay_within_their_memory(tmp_path: Path) -> None:
    """All tests of the kernels pass with AddressSanitizer and UndefinedBehaviorSanitizer watching every access."""
    compiler = shutil.which("gcc")
    runtime = compiler and subprocess.check_output([compiler, "-print-file-name=libasan.so"], text=True).strip()
    if not runtime or not Path(runtime).is_absolute():
        pytest.skip("needs gcc with its libasan")
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-O1", "-g")
    library = build.build(tmp_path / "sanitized.so", flags=checks, command=[str(compiler)])
    done = subprocess.run(
        [sys.executable, "-c", TESTS_OF_ANOTHER_LIBRARY.format(library=str(library))],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_without_a_compiler_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no compiler is told so, and what to do."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"NumPy computes without them: no C compiler: install one, or the package ziglang"):
        build.main()


def test_without_the_library_numpy_computes_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A model that finds no kernels gives NumPy's distributions; one line in the log says so, however many are opened."""
    folder = make_tiny_model(tmp_path / "tiny")
    by_numpy = LanguageModel.open(folder, engine="numpy").next_logits([1, 2, 3])
    monkeypatch.setattr(binding, "LIBRARY", tmp_path / "absent.so")
    binding.library.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            opened = [LanguageModel.open(folder) for _ in range(3)]
        assert [record.message for record in caplog.records].count(binding.ABSENT) == 1
        np.testing.assert_array_equal(opened[0].next_logits([1, 2, 3]), by_numpy)
    finally:
        binding.library.cache_clear()


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the driver as 64-bit ARM."""
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"] if find_spec("ziglang") else None
    command = [compiler] if compiler else zig
    if not emulator or not command:
        pytest.skip("needs qemu-user-static, and gcc-aarch64-linux-gnu or the package ziglang")
    program = tmp_path_factory.mktemp("arm") / "driver"
    sources = [build.FOLDER / name for name in ("loops.c", "pool.c", "kernels.c")]
    objects: list[Path] = []
    units = [["-DPATH_NEON", str(sources[0])], *([str(source)] for source in (*sources, DRIVER))]
    for number, arguments in enumerate(units):
        objects.append(program.with_suffix(f".{number}.o"))
        subprocess.run([*command, *build.FLAGS, "-Werror", "-c", *arguments, "-o", str(objects[-1])], check=True)
    subprocess.run([*command, "-static", "-pthread", *objects, "-o", program, "-lm"], check=True)
    return [emulator, str(program)]


def run(command: list[str], kernel: int, sizes: list[int], arrays: list[NDArray[Any] | None]) -> NDArray[np.float32]:
    """What the driver answers, the same on one thread and on three."""
    header = np.array([kernel, *sizes, *[0] * (8 - len(sizes))], np.int64).tobytes()
    parts = [b"" if array is None else np.ascontiguousarray(array).tobytes() for array in arrays]
    problem = header + b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    alone, three = (subprocess.run([*command, "neon", n], input=problem, capture_output=True, check=True).stdout for n in "13")
    assert alone == three
    return np.frombuffer(alone, np.float32)


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_products_on_arm(arm: list[str], kind: str) -> None:
    """Products with both layouts on NEON equal NumPy's in float64, for few and many rows of odd shapes."""
    generator = np.random.default_rng(0)
    for kernel, axis in ((0, 0), (1, 1)):
        for inputs, outputs in ((3, 5), (65, 49), (200, 333)):
            shape = (inputs, outputs) if axis == 0 else (outputs, inputs)
            numbers = generator.standard_normal(shape, np.float32)
            weight = quantized(numbers, 0 if axis == 0 else 1) if kind == "int8" else numbers.astype(kind)
            stored, scales = (weight.values, weight.scales) if isinstance(weight, Quantized) else (weight, None)
            exact = (weight.dequantized() if isinstance(weight, Quantized) else weight).astype(np.float64)
            bias = generator.standard_normal(outputs, np.float32) if axis == 0 else None
            for rows in (1, 4, 8, 13):
                x = generator.standard_normal((rows, inputs), np.float32)
                sizes = [rows, inputs, outputs, binding.TYPES[stored.dtype], 0]
                found = run(arm, kernel, sizes, [stored, scales, bias, x]).reshape(rows, outputs)
                expected = x @ (exact if axis == 0 else exact.T) + (0 if bias is None else bias)
                np.testing.assert_allclose(found, expected, atol=1e-4)


def test_attention_and_layer_norm_on_arm(arm: list[str]) -> None:
    """On NEON they equal NumPy's."""
    config = Gpt2Config(layers=1, heads=3, width=24, inner_width=4, context_window=300, vocab_size=5, end_of_text_id=0)
    mixed = np.random.default_rng(0).standard_normal((70, 72), np.float32)
    attention = NumpyLayers(np.dtype(np.float32)).attention(config, [Span(0, 70, 0, KvCache.empty(config).extended(70))])
    scaled = mixed.copy()
    scaled[:, :24] *= 0.5 * 8**0.5  # the driver's scale, in place of 1 / sqrt(8)
    expected = attention(0, scaled)
    for kind, tolerance in ((0, 1e-5), (1, 3e-3)):
        np.testing.assert_allclose(run(arm, 3, [70, 3, 8, kind], [mixed]).reshape(70, 24), expected, atol=tolerance)
    gain, bias = mixed[0], mixed[1]
    normalised = NumpyNormalisation(gain, bias, 1e-5)(mixed)
    np.testing.assert_allclose(run(arm, 2, [70, 72], [mixed, gain, bias]).reshape(70, 72), normalised, atol=2e-5)
