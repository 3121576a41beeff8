"""Laws of dividing a file of requests, over files of any bytes."""

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, repeat
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from handler.jobs import parts as limits
from handler.jobs.job import Job
from handler.jobs.parts import NoObjects, ObjectStore, Part, Parts, divide
from handler.jobs.reading import read_requests
from handler.settings import Settings
from handler.wheel.errors import FilesNotTakenError, SourceNotFoundError, SourceTooLargeError
from model_layer.catalog import ModelCatalog
from tests.api_client import tiny_model_folder
from tests.contract.job_values import new_job
from tests.memory_objects import LOCATION, MemoryObjects

SOURCE = f"{LOCATION}input.jsonl"
OUTPUT = f"{LOCATION}out/"
WHEEL = b'{"prompt": "Once"}'


def request(**fields: Any) -> bytes:
    """A line of a request."""
    return json.dumps({"prompt": "Once", **fields}).encode()


lines = st.one_of(
    st.sampled_from([WHEEL, b"", b"  \t", b"\r", b"not JSON", b"\xff\xfe", b"[" * 2000, b"7", b'\xef\xbb\xbf{"prompt": "mark"}']),
    st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")),
    st.builds(request, max_new_tokens=st.integers(-1, 520), n=st.integers(0, 18)),
    st.builds(lambda n: request(prompt="x" * n), st.sampled_from([1, 1000, 20_000, 65_000])),
)
files = st.builds(
    lambda found, often, end: b"\n".join(line for line in found for _ in range(often)) + end,
    st.lists(lines, max_size=40),
    st.sampled_from([1, 1, 5]),
    st.sampled_from([b"", b"\n", b"\n\n"]),
)


def made(content: bytes, *, chunk_bytes: int = 1000) -> tuple[Parts, Job, MemoryObjects]:
    """Parts on a file, and a job of it."""
    objects = MemoryObjects({SOURCE: content}, chunk_bytes)
    job = replace(new_job(), source=SOURCE, version=objects.version(SOURCE), output=OUTPUT)
    return Parts(objects), job, objects


def requests_of(content: bytes) -> list[bytes]:
    """The lines that are not blank, by their definition."""
    return [line for line in content.split(b"\n") if line.strip()]


@given(content=files, chunk_bytes=st.integers(1, 3000))
@example(content=b"", chunk_bytes=1)
@example(content=b"\n" * 300 + WHEEL, chunk_bytes=7)
@example(content=b"\n".join([WHEEL] * 200), chunk_bytes=64)
def test_parts_cover_every_line_once(content: bytes, chunk_bytes: int) -> None:
    """The parts give back exactly the lines that are not blank, numbered in order, however the file comes in pieces."""
    assume(len(content) < 400 * chunk_bytes)
    parts, job, _ = made(content, chunk_bytes=chunk_bytes)
    tasks, total = parts.divided(job)
    found = [(number, line) for task in tasks.values() for number, line in parts.lines(job, task).items()]
    expected = [line.decode("utf-8-sig", errors="surrogateescape") for line in requests_of(content)]
    assert found == list(enumerate(expected))
    assert total == len(expected)
    assert list(tasks) == list(range(len(tasks)))


@given(content=files)
@example(content=b"\n".join([WHEEL] * 200))
@example(content=b"\n".join([request(max_new_tokens=512, n=2)] * 9))
@example(content=(b"x" * 65_535 + b"\n") * 3)
@example(content=b"x" * 2048 + b"\n" + (b"x" * 2047 + b"\n") * 40)  # one byte too many for 32 lines
def test_parts_are_within_limits_and_full(content: bytes) -> None:
    """Each part is within every limit of its work, and none could take the next part's first line too."""
    parts = list(divide([content]))
    assert all(work(content, part.start, part.stop) for part in parts)
    for part, after in pairwise(parts):
        end = content.find(b"\n", after.start)
        assert not work(content, part.start, end + 1 if end >= 0 else len(content))


def work(content: bytes, start: int, stop: int) -> bool:
    """Whether the bytes are no more work than a part may be."""
    found = requests_of(content[start:stop])
    return (
        len(found) <= limits.MOST_LINES_A_PART
        and stop - start <= limits.MOST_BYTES_A_PART
        and sum(map(new_tokens, found)) <= limits.MOST_NEW_TOKENS_A_PART
    )


def new_tokens(line: bytes) -> int:
    """The tokens to draw for a line, if its request is right."""
    try:
        value = json.loads(line.decode("utf-8-sig"))
        length, n = value.get("max_new_tokens", 0), value.get("n", 1)
    except (ValueError, AttributeError, RecursionError):
        return 0
    is_right = set(value) <= {"prompt", "max_new_tokens", "n"} and 1 <= length <= 512 and 1 <= n <= 16 and length * n <= 1024
    return length * n if is_right else 0


@given(content=files)
def test_dividing_twice_gives_the_same(content: bytes) -> None:
    """The same file is divided into the same tasks, in pieces of whatever size, and its list of parts is written once."""
    parts, job, objects = made(content)
    first = parts.divided(job)
    written = dict(objects.files)
    objects.chunk_bytes = 333
    assert parts.divided(job) == first
    assert objects.files == written


def test_task_is_compact_json() -> None:
    """A task says in few bytes where its lines are and which numbers they have."""
    parts, job, objects = made(b"\n\n" + WHEEL + b"\n \n" + WHEEL)
    tasks, _ = parts.divided(job)
    assert tasks == {0: '{"first":0,"count":2,"start":2,"stop":41}'}
    assert objects.files[f"{job.folder}parts.jsonl"] == b'{"file":"part-000000.jsonl","first":0,"count":2}\n'
    assert Part.of(tasks[0]) == Part(first=0, count=2, start=2, stop=41)


@pytest.fixture(scope="module")
def catalog() -> ModelCatalog:
    """The tiny model."""
    return ModelCatalog.discover((), wanted=str(tiny_model_folder()), engine="numpy", prefix_cache_bytes=0)


BAD = [
    b"\xff{}",
    b"[" * 5000,
    b'{"prompt": NaN}',
    b'{"prompt": "\\ud800"}',
    b"7",
    b"{",
    request(n=99),
    b'{"prompt": " "}',
    b"\x00",
]


@pytest.mark.parametrize("bad", BAD)
def test_bad_line_spoils_only_itself(bad: bytes, catalog: ModelCatalog) -> None:
    """Among good lines, a line that is no request of any kind is the only one that is refused."""
    good = [WHEEL, b"\xef\xbb\xbf" + WHEEL, WHEEL + b"\r"]
    parts, job, _ = made(b"\n".join([good[1], bad, good[0], b"", good[2]]))
    tasks, total = parts.divided(job)
    model = catalog.get(catalog.default)
    requests, refused = read_requests(parts.lines(job, tasks[0]), model, seed="seed", limits=Settings())
    assert (total, set(requests), set(refused)) == (4, {0, 2, 3}, {1})


@pytest.mark.parametrize(
    "content",
    [b"\n" * 100_001, (WHEEL + b"\n") * 100_001, b"x" * 65_536, WHEEL + b"\n" + b" " * 65_536 + b"\n" + WHEEL],
    ids=["blank lines", "lines", "one line", "a blank line"],
)
def test_too_large_file_is_refused(content: bytes) -> None:
    """A file with too many lines, blank or not, or too long a line, is refused whole, and nothing is written."""
    parts, job, objects = made(content, chunk_bytes=100_000)
    with pytest.raises(SourceTooLargeError):
        parts.divided(job)
    assert list(objects.files) == [SOURCE]


def test_too_many_bytes_are_refused() -> None:
    """A file beyond 256 MB is refused when so much has been read, in lines of whatever length."""
    line = b"x" * 65_000 + b"\n"
    with pytest.raises(SourceTooLargeError, match="256 MB"):
        list(divide(repeat(line, 5000)))


def test_largest_file_is_divided() -> None:
    """A hundred thousand lines are divided, all of them."""
    parts = list(divide([(WHEEL + b"\n") * 100_000]))
    assert (parts[-1].numbers.stop, parts[-1].stop) == (100_000, 100_000 * (len(WHEEL) + 1))


def test_memory_is_flat() -> None:
    """Dividing holds a piece of the file and a part's lines at a time, however long the file is."""

    def pieces() -> Iterator[bytes]:
        line = request(prompt="x" * 10_000) + b"\n"
        yield from (line * 10 for _ in range(200))  # 20 MB

    tracemalloc.start()
    count = sum(part.count for part in divide(pieces()))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2000
    assert peak_bytes < 2_000_000


def test_changed_source_is_not_found() -> None:
    """A file that changed after its job was made is neither divided nor read."""
    parts, job, objects = made(WHEEL)
    tasks, _ = parts.divided(job)
    objects.files[SOURCE] += b"\n" + WHEEL
    for use in (lambda: parts.divided(job), lambda: parts.lines(job, tasks[0])):
        with pytest.raises(SourceNotFoundError):
            use()


def test_results_are_written_once_for_each_job() -> None:
    """The first results of a part stay; another job with the same output, also one of the same id, has files of its own."""
    parts, job, objects = made(WHEEL)
    other = replace(job, seed="another")
    bodies = [parts.write(job, 17, "a\nb"), parts.write(job, 17, "c"), parts.write(other, 17, "d")]
    names = [f"{one.folder}part-000017.jsonl" for one in (job, job, other)]
    assert all(name.startswith(OUTPUT) for name in names)
    assert bodies == [f'{{"file":"{name}"}}' for name in names]
    assert [objects.files[name] for name in names] == [b"a\nb\n", b"a\nb\n", b"d\n"]


def test_manifest_is_written_when_all_is_done() -> None:
    """Only a complete job has its manifest, once, with the counts of its requests."""
    parts, job, objects = made(WHEEL)
    for unfinished in (job, replace(job, total=3, done=1, failed=1)):
        parts.finish_if_complete(unfinished)
    assert list(objects.files) == [SOURCE]
    for _ in range(2):
        parts.finish_if_complete(replace(job, total=3, done=2, failed=1))
    manifest = json.loads(objects.files[f"{job.folder}manifest.json"])
    counts = {"requests": 3, "done": 2, "failed": 1}
    assert manifest == {"job_id": job.id, "model": job.model_name, **counts, "parts": "parts.jsonl"}


def test_server_without_a_place_refuses_all() -> None:
    """Where no place for files is set, every name is refused, and so is every use."""
    objects: ObjectStore = NoObjects()
    for use in (
        lambda: objects.check(OUTPUT),
        lambda: objects.version(SOURCE),
        lambda: objects.chunks(SOURCE, "1"),
        lambda: objects.read(SOURCE, "1", start=0, stop=1),
        lambda: objects.write_once(f"{OUTPUT}a", b""),
    ):
        with pytest.raises(FilesNotTakenError):
            use()
