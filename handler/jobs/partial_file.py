"""The results of a run as they come, in a file beside the one they become, so that a run that was stopped goes on.

First comes a line that says what the results depend on, then a line for each result, in the order of their coming. What is
written stays whole when the process is killed, but for the last line, which is cut off and computed again.
"""

import fcntl
import json
import os
import secrets
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from handler.jobs.result import RequestResult

FORMAT = 1
SEED_BYTES = 8


class RunRefusedError(Exception):
    """Raise when a run cannot begin or go on; the message is one clear line for the person at the terminal."""


class RunKey(BaseModel):
    """All that the results of a run depend on. A run whose `seed` is None takes any."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    format: int = FORMAT
    input_sha256: str
    model: str
    manifest_sha256: str
    engine: str
    prompt_characters: int
    seed: str | None

    def seeded(self) -> Self:
        """The same key, with a seed from the operating system if it has none."""
        return self.model_copy(update={"seed": secrets.token_hex(SEED_BYTES)}) if self.seed is None else self

    def differences(self, wanted: Self) -> list[str]:
        """What a run of the key `wanted` would have otherwise."""
        names = [name for name in RunKey.model_fields if getattr(self, name) != getattr(wanted, name)]
        return [name.removesuffix("_sha256") for name in names if name != "seed" or wanted.seed is not None]


class PartialFile:
    """Results by index, on disk; in memory is only where each begins."""

    def __init__(self, file: BinaryIO, key: RunKey) -> None:
        """The results of `file`, which stands behind its first line. What follows the last whole one is cut off."""
        self.key = key
        self.failures: Counter[str] = Counter()  # by the code of the error
        self._file = file
        self._starts: dict[int, int] = {}
        self._end = file.tell()
        for line in file:
            result = _whole(line)
            if result is None:
                break
            self._note(result["index"], len(line), result["error"]["code"] if "error" in result else None)
        file.truncate(self._end)

    @property
    def indices(self) -> Container[int]:
        """The requests that have a result."""
        return self._starts.keys()

    def __len__(self) -> int:
        return len(self._starts)

    def append(self, results: Iterable[RequestResult]) -> None:
        """Add results; they outlive this process from here on."""
        for result in results:
            line = f"{result.text()}\n".encode()
            self._file.write(line)
            self._note(result.index, len(line), result.error.code if result.error else None)
        self._file.flush()

    def write_in_order(self, path: Path) -> None:
        """Write the results to `path` in the order of their requests: all of them or, when killed, none."""
        unfinished = beside(path, ".tmp")
        with _named(unfinished), unfinished.open("wb") as target:
            for index in sorted(self._starts):
                self._file.seek(self._starts[index])
                target.write(self._file.readline())
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(path)

    def _note(self, index: int, length: int, failure: str | None) -> None:
        self._starts[index] = self._end
        self._end += length
        if failure is not None:
            self.failures[failure] += 1


@contextmanager
def partial_file(out: Path, wanted: RunKey, *, restart: bool) -> Iterator[PartialFile]:
    """What there is of the results that go to `out`, for this process alone; it goes when `out` has been written.

    Raises RunRefusedError when another process has it, when it holds results of another key, and when `out` is there and was not
    to be computed again.
    """
    path = beside(out, ".partial")
    with _named(path), _locked(path) as file:
        if restart:
            file.truncate(0)
        begun = _begun(file, path)
        if begun is None and out.exists() and not restart:
            path.unlink()
            raise RunRefusedError(f"{out} is there already: --restart computes it again")
        if begun is not None and (others := begun.differences(wanted)):
            raise RunRefusedError(f"{path} was begun with another {', '.join(others)}: --restart throws it away")
        yield PartialFile(file, begun or _begin(file, wanted.seeded()))
        path.unlink()


def beside(path: Path, ending: str) -> Path:
    """The file of that name and ending."""
    return path.with_name(path.name + ending)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error of the block that names no file name this one: a full disk is met in writing, where no name is known."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _locked(path: Path) -> BinaryIO:
    """The file, made if need be, for as long as it is open. What is written goes to its end."""
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise RunRefusedError(f"{path} is in use: another run writes it") from None
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # the run that had it ended between our two steps, and took it away


def _begun(file: BinaryIO, path: Path) -> RunKey | None:
    """The key in the first line, None where nothing was begun."""
    file.seek(0)
    line = file.readline()
    if not line.endswith(b"\n"):
        return None
    try:
        return RunKey.model_validate_json(line)
    except ValidationError:
        raise RunRefusedError(f"{path} cannot be read: --restart throws it away") from None


def _begin(file: BinaryIO, key: RunKey) -> RunKey:
    file.truncate(0)
    file.write(f"{key.model_dump_json()}\n".encode())
    file.flush()
    return key


def _whole(line: bytes) -> Any:
    """The result of a line, None for one that was not written to its end."""
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
