"""`python -m model_layer.kernels.build`: compile the kernels into one shared library beside their sources.

The compiler is $CC, or the machine's, or the one that the `ziglang` package brings. The loops are compiled once for each
instruction set that the processor's family may have; which one runs is chosen at run time, so one library serves all of it.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from model_layer.kernels import LIBRARY

FOLDER = Path(__file__).parent
# A product and a sum are rounded separately unless the loops ask for a fused one: the same bits from every compiler.
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra", "-pthread")
X86_PATHS = (
    (),
    ("-DPATH_AVX2", "-mavx2", "-mfma", "-mf16c"),
    ("-DPATH_AVX512", "-mavx512f", "-mfma", "-mf16c"),
)
PATHS: Mapping[str, Sequence[Sequence[str]]] = {
    "x86_64": X86_PATHS,
    "amd64": X86_PATHS,
    "aarch64": ((), ("-DPATH_NEON",)),
    "arm64": ((), ("-DPATH_NEON",)),
}


class NoCompilerError(RuntimeError):
    """Raise when there is no C compiler."""


def compiler() -> list[str]:
    """The command of a C compiler. Raises NoCompilerError."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if found:
        return [found]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise NoCompilerError("no C compiler: install one, or the package ziglang, which brings one")


def build(target: Path = LIBRARY, *, flags: Sequence[str] = (), machine: str | None = None, command: Sequence[str] = ()) -> Path:
    """Compile for `machine` (default: this one) into `target`, which appears whole or not at all.

    Raises NoCompilerError, and subprocess.CalledProcessError when the compiler refuses.
    """
    cc = list(command) or compiler()
    with tempfile.TemporaryDirectory() as folder:
        objects = Path(folder)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            units = enumerate(_units(machine or platform.machine()))
            made = list(pool.map(lambda unit: _compiled(cc, [*FLAGS, *flags, *unit[1]], objects / f"{unit[0]}.o"), units))
        linked = target.with_suffix(".new")
        subprocess.run([*cc, *flags, "-shared", "-pthread", *made, "-o", linked, "-lm"], check=True)
    return linked.replace(target)


def _units(machine: str) -> Iterator[list[str]]:
    """The arguments that compile each unit: the loops for every instruction set, the pool and the entry points."""
    for path in PATHS.get(machine.lower(), ((),)):
        yield [*path, str(FOLDER / "loops.c")]
    yield [str(FOLDER / "pool.c")]
    yield [str(FOLDER / "kernels.c")]


def _compiled(cc: Sequence[str], arguments: Sequence[str], target: Path) -> Path:
    subprocess.run([*cc, "-c", *arguments, "-o", target], check=True)
    return target


def main() -> None:
    """Build; what is in the way is one line and exit code 1."""
    try:
        build()
    except (NoCompilerError, subprocess.CalledProcessError, OSError) as error:
        raise SystemExit(f"the C kernels were not built, NumPy computes without them: {error}") from None


if __name__ == "__main__":
    main()
