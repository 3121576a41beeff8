"""Jobs whose requests lie in S3, one a line: the file is divided into parts, and each part's results become a file of their own.

    input.jsonl ─ divided ─┬ part 0: lines 0-63   ─ results ─ <folder>part-000000.jsonl
                           ├ part 1: lines 64-110 ─ results ─ <folder>part-000001.jsonl
                           └ ...                              <folder>parts.jsonl, manifest.json

A request's number is its line's place among the lines that are not blank, from 0. A part is named by the bytes of its lines, so
that a worker reads no more than those. Every file is written once: whoever comes second leaves it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn, Protocol

from handler.jobs.job import Job
from handler.jobs.reading import is_request, line_text
from handler.jobs.request import JobRequest
from handler.settings import MEGABYTE
from handler.wheel.errors import FilesNotTakenError, SourceTooLargeError

MOST_LINES = 100_000  # of a source, blank ones among them
MOST_BYTES = 256 * MEGABYTE  # of a source
LONGEST_LINE_BYTES = 64 * 1024  # with its end
# A part is done in one invocation, or begun anew: GPT-2 124M takes less than half of its 120 s for the largest on two cores.
MOST_LINES_A_PART = 64
MOST_BYTES_A_PART = LONGEST_LINE_BYTES  # some 16,000 tokens of prompts
MOST_NEW_TOKENS_A_PART = 4096


class ObjectStore(Protocol):
    """Files by their `s3://` names, all within one place.

    Every method raises SourceNotFoundError for a name outside that place, and what may not be touched there,
    FilesNotTakenError where there is no such place, and StoreUnavailableError when the store does not answer.
    """

    def check(self, folder: str) -> None:
        """Raise SourceNotFoundError for what is no name of a folder, with a `/` at its end, in the store's place."""

    def version(self, uri: str) -> str:
        """What changes when the file does. Raises SourceNotFoundError."""

    def chunks(self, uri: str, version: str) -> Iterator[bytes]:
        """The file's bytes in order, in pieces of any size. Raises SourceNotFoundError, also when it has another version."""

    def read(self, uri: str, version: str, *, start: int, stop: int) -> bytes:
        """Bytes [start:stop] of the file. Raises SourceNotFoundError, also when it has another version."""

    def write_once(self, uri: str, content: bytes) -> None:
        """Write a new file. One that is there stays as it is."""


class NoObjects:
    """The `ObjectStore` of a server that has no place for files."""

    def check(self, folder: str) -> NoReturn:  # noqa: ARG002 - no name is right
        """Refuse every name."""
        raise FilesNotTakenError

    def version(self, uri: str) -> NoReturn:  # noqa: ARG002 - as above
        """Refuse every name."""
        raise FilesNotTakenError

    def chunks(self, uri: str, version: str) -> NoReturn:  # noqa: ARG002 - as above
        """Refuse every name."""
        raise FilesNotTakenError

    def read(self, uri: str, version: str, *, start: int, stop: int) -> NoReturn:  # noqa: ARG002 - as above
        """Refuse every name."""
        raise FilesNotTakenError

    def write_once(self, uri: str, content: bytes) -> NoReturn:  # noqa: ARG002 - as above
        """Refuse every name."""
        raise FilesNotTakenError


@dataclass(frozen=True, slots=True)
class Part:
    """A task of such a job: `count` requests from number `first` on, whose lines are the bytes [start:stop] of the source."""

    first: int
    count: int
    start: int
    stop: int

    @classmethod
    def of(cls, task: str) -> "Part":
        """The part of a task's text."""
        return cls(**json.loads(task))

    @property
    def numbers(self) -> range:
        """The numbers of its requests."""
        return range(self.first, self.first + self.count)


class Parts:
    """Divides sources into parts, reads a part's lines, writes a part's results."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def divided(self, job: Job) -> tuple[Mapping[int, str], int]:
        """The parts as tasks by index, and how many requests they have in all. They are also listed in a file, `parts.jsonl`.

        Raises SourceNotFoundError, SourceTooLargeError, StoreUnavailableError.
        """
        source, version = _source(job)
        parts = list(divide(self._objects.chunks(source, version)))
        listed = [
            _compact({"file": _file_name(index), "first": part.first, "count": part.count}) for index, part in enumerate(parts)
        ]
        self._write(job, "parts.jsonl", listed)  # before any work is done: an output that cannot be written shows here
        return {index: _compact(asdict(part)) for index, part in enumerate(parts)}, sum(part.count for part in parts)

    def lines(self, job: Job, task: str) -> Mapping[int, str]:
        """The lines of a part by the numbers of their requests. Raises SourceNotFoundError, StoreUnavailableError."""
        (source, version), part = _source(job), Part.of(task)
        content = self._objects.read(source, version, start=part.start, stop=part.stop)
        return dict(zip(part.numbers, map(line_text, filter(is_request, content.split(b"\n"))), strict=True))

    def write(self, job: Job, index: int, results: str) -> str:
        """Write the lines of results of a part; the body of its result, which names the file.

        Raises SourceNotFoundError, StoreUnavailableError.
        """
        return _compact({"file": self._write(job, _file_name(index), [results])})

    def finish_if_complete(self, job: Job) -> None:
        """Write the manifest, if the job is complete: what was done, and where the list of its files is.

        Raises SourceNotFoundError, StoreUnavailableError.
        """
        if job.is_complete:
            counts = {"requests": job.total, "done": job.done, "failed": job.failed}
            manifest = {"job_id": job.id, "model": job.model_name, **counts, "parts": "parts.jsonl"}
            self._write(job, "manifest.json", [_compact(manifest)])

    def _write(self, job: Job, name: str, lines: Iterable[str]) -> str:
        """Write a file into the job's own folder, once; its whole name."""
        assert job.output is not None, "a job with a source has an output"
        uri = f"{job.folder}{name}"
        self._objects.write_once(uri, "".join(f"{line}\n" for line in lines).encode())
        return uri


def divide(chunks: Iterable[bytes]) -> Iterator[Part]:
    """The parts of a file, in order: as many whole lines each as make up no more work than one invocation does.

    Raises SourceTooLargeError.
    """
    first = 0
    for lines in _grouped(_requests(chunks)):
        yield Part(first=first, count=len(lines), start=lines[0].start, stop=lines[-1].stop)
        first += len(lines)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    stop: int
    new_tokens: int


def _grouped(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    group: list[_Line] = []
    for line in lines:
        if group and not _is_one_part([*group, line]):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _is_one_part(lines: list[_Line]) -> bool:
    return (
        len(lines) <= MOST_LINES_A_PART
        and lines[-1].stop - lines[0].start <= MOST_BYTES_A_PART
        and sum(line.new_tokens for line in lines) <= MOST_NEW_TOKENS_A_PART
    )


def _requests(chunks: Iterable[bytes]) -> Iterator[_Line]:
    """The lines that are not blank."""
    stop = 0
    for count, line in enumerate(_split(chunks), 1):
        start, stop = stop, stop + len(line)
        if count > MOST_LINES or stop > MOST_BYTES:
            raise SourceTooLargeError(limit=f"at most {MOST_LINES:,} lines and {MOST_BYTES // MEGABYTE} MB")
        if is_request(line):
            yield _Line(start, stop, _new_tokens(line))


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines with their ends, whatever pieces they come in. No more than a piece and a line are held."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if max(map(len, [*lines, rest])) >= LONGEST_LINE_BYTES:
            raise SourceTooLargeError(limit=f"at most {LONGEST_LINE_BYTES // 1024} KB a line")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _new_tokens(line: bytes) -> int:
    """How many tokens may be drawn for the request in a line: none for a wheel, nor for a line that will be refused."""
    try:
        request = JobRequest.model_validate_json(line_text(line))
    except ValueError:
        return 0
    return request.new_tokens


def _source(job: Job) -> tuple[str, str]:
    """The file of requests, and the version that the job was made for."""
    assert job.source is not None, "the job's requests lie in a file"
    assert job.version is not None, "a job with a source has its version"
    return job.source, job.version


def _file_name(index: int) -> str:
    return f"part-{index:06d}.jsonl"


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
