"""The run over a local file, in this process: what it gives, what it goes on with, what it refuses."""

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.api.contracts.precision import PrecisionBody
from handler.jobs import file_run
from handler.jobs.answering import answer_all
from handler.jobs.file_run import FileRun, numbered_lines
from handler.jobs.partial_file import RunKey, RunRefusedError, partial_file
from handler.jobs.reading import read_requests
from handler.jobs.result import RequestResult
from handler.jobs.run_progress import RunProgress
from handler.models import catalog_of
from handler.settings import Settings
from handler.wheel.errors import MalformedLineError
from tests.api_client import make_settings
from tests.baked_models import make_baked_model

SEED = "class 7b"
WHEEL = {"prompt": "The fox said"}
REQUESTS: list[dict[str, Any]] = [
    {"prompt": "Once upon a time", "max_new_tokens": 3},
    WHEEL,
    {"prompt": "In the morning", "max_new_tokens": 20, "n": 3, "settings": {"temperature": 1.4}},
    {"prompt": "I see the sea", "max_new_tokens": 8, "seed": 7},
    WHEEL,
    {"prompt": "Then they walked together, and the wind sang", "settings": {"top_k": 5}},
    {"prompt": "Then they walked", "max_new_tokens": 30},
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with the tiny model."""
    return make_settings(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of REQUESTS."""
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(request)}\n" for request in REQUESTS))
    return path


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few requests make several pieces."""
    monkeypatch.setattr(file_run, "PIECE", 3)


def run_to(out: Path, source: Path, settings: Settings, *, seed: str | None = SEED, **options: Any) -> bytes:
    """The bytes of the results."""
    FileRun(source=source, out=out, seed=seed, quiet=True, **options).run(settings)
    return out.read_bytes()


def stop_after(monkeypatch: pytest.MonkeyPatch, results: int) -> None:
    """Let answers end in a Ctrl-C as soon as so many have come."""

    def stopping(*arguments: Any, **options: Any) -> Iterator[Any]:
        left = results
        for answers in answer_all(*arguments, **options):
            left -= len(answers)
            yield answers
            if left <= 0:
                raise KeyboardInterrupt

    monkeypatch.setattr(file_run, "answer_all", stopping)


def stopped(out: Path, source: Path, settings: Settings) -> Path:
    """The partial results of a run that was stopped half-way."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            run_to(out, source, settings)
    assert not out.exists()
    return out.with_name(f"{out.name}.partial")


def parsed(results: bytes) -> list[dict[str, Any]]:
    """The results as objects."""
    return [json.loads(line) for line in results.splitlines()]


@pytest.mark.usefixtures("small_pieces")
def test_results_are_those_of_each_request_alone(tmp_path: Path, source: Path, settings: Settings) -> None:
    """Line i is the result of request i, to the last digit what it gives when nothing else is run."""
    catalog = catalog_of(settings)
    model = catalog.get(catalog.default)
    precision = PrecisionBody.of(catalog.manifest(catalog.default))
    requests, refused = read_requests(dict(numbered_lines(source)), model, seed=SEED, limits=settings)
    assert not refused
    assert len(requests) == len(REQUESTS)
    alone = []
    for number, request in requests.items():
        answer = next(answer for answers in answer_all(model, {number: request}) for _, answer in answers)
        alone.append(RequestResult.of(number, request, answer, precision).text().encode())
    assert run_to(tmp_path / "out.jsonl", source, settings).splitlines() == alone


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("at_once", [1, 2, None])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, source: Path, settings: Settings, at_once: int | None) -> None:
    """However many run together; nothing is left beside the results."""
    folder = tmp_path / "results"
    folder.mkdir()
    first = run_to(folder / "one.jsonl", source, settings)
    assert run_to(folder / "two.jsonl", source, settings, at_once=at_once) == first
    assert {path.name for path in folder.iterdir()} == {"one.jsonl", "two.jsonl"}


def test_without_a_seed_one_is_drawn(tmp_path: Path, source: Path, settings: Settings) -> None:
    """Two runs draw two seeds; only requests that bring their own, and wheels, are the same."""
    first, second = (parsed(run_to(tmp_path / name, source, settings, seed=None)) for name in ("one", "two"))
    same = [number for number, (one, other) in enumerate(zip(first, second, strict=True)) if one == other]
    assert same == [number for number, request in enumerate(REQUESTS) if "seed" in request or "max_new_tokens" not in request]


@pytest.mark.usefixtures("small_pieces")
def test_a_stopped_run_goes_on(tmp_path: Path, source: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept is not computed again, and the results are those of an undisturbed run, also with the seed left out."""
    undisturbed = run_to(tmp_path / "undisturbed", source, settings)
    out = tmp_path / "out"
    kept = len(stopped(out, source, settings).read_bytes().splitlines()) - 1
    asked: list[int] = []

    def counting(model: Any, requests: Any, **options: Any) -> Any:
        asked.extend(requests)
        return answer_all(model, requests, **options)

    monkeypatch.setattr(file_run, "answer_all", counting)
    assert run_to(out, source, settings, seed=None) == undisturbed
    assert 0 < kept < len(REQUESTS)
    assert len(asked) == len(set(asked)) == len(REQUESTS) - kept


def test_a_torn_last_line_is_repaired(tmp_path: Path, source: Path, settings: Settings) -> None:
    """Wherever the end of the partial results is cut, even within their first line, the results come out the same."""
    undisturbed = run_to(tmp_path / "undisturbed", source, settings)
    out = tmp_path / "out"
    partial = stopped(out, source, settings)
    whole = partial.read_bytes()
    first, last = whole.index(b"\n") + 1, whole[:-1].rindex(b"\n") + 1
    for cut in (1, first - 1, first, first + 1, last + 1, (last + len(whole)) // 2, len(whole) - 1):
        partial.write_bytes(whole[:cut])
        assert run_to(out, source, settings) == undisturbed
        out.unlink()


@pytest.mark.parametrize("what", ["input", "model", "manifest", "seed", "prompt_characters", "engine"])
def test_other_partial_results_are_refused(tmp_path: Path, source: Path, settings: Settings, what: str) -> None:
    """Those of another input, model, seed or setting are named and left as they are; --restart throws them away."""
    out = tmp_path / "out"
    partial = stopped(out, source, settings)
    before = partial.read_bytes()
    options: dict[str, Any] = {"seed": "another"} if what == "seed" else {}
    if what == "input":
        source.write_text(json.dumps(WHEEL))
    elif what in {"model", "manifest"}:
        another = make_baked_model(tmp_path / ("other" if what == "model" else "tiny"), seed=8)
        settings = settings.model_copy(update={"model": str(another)})
    elif what != "seed":
        settings = settings.model_copy(update={"prompt_characters": 500, "engine": "numpy"})
    with pytest.raises(RunRefusedError, match=rf"another .*\b{what}\b.*: --restart"):
        run_to(out, source, settings, **options)
    assert partial.read_bytes() == before
    restarted = run_to(out, source, settings, restart=True, **options)
    assert restarted == run_to(tmp_path / "undisturbed", source, settings, **options)


def test_results_that_are_there_stay(tmp_path: Path, source: Path, settings: Settings) -> None:
    """They are computed again only when told, stay until the new ones are complete, and a stop between leaves them."""
    out = tmp_path / "out"
    first = run_to(out, source, settings)
    with pytest.raises(RunRefusedError, match="--restart"):
        run_to(out, source, settings, seed="another")
    assert not out.with_name("out.partial").exists()
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_to(out, source, settings, seed="another", restart=True)
    assert out.read_bytes() == first
    assert run_to(out, source, settings, seed="another") != first


def test_bad_lines_have_results_that_say_why(tmp_path: Path, settings: Settings) -> None:
    """Each is an error under its own number and repeats nothing; blank ones have no number, a byte order mark is no fault."""
    source = tmp_path / "prompts.jsonl"
    bad = [b'{"prompt": "secret"', b'{"prompt": "secret", "n": 99}', b'"\xff secret"', b'{"prompt": " "}', b"[]", b"[" * 100_000]
    good = json.dumps(WHEEL).encode()
    source.write_bytes(b"\r\n\n  \n".join([b"\xef\xbb\xbf" + good, *bad, good]))
    results = parsed(run_to(tmp_path / "out", source, settings))
    assert [result["index"] for result in results] == list(range(len(bad) + 2))
    assert [result["kind"] for result in results] == ["wheel", *["error"] * len(bad), "wheel"]
    assert {result["error"]["code"] for result in results[1:-1]} == {"malformed_json", "validation_error", "blank_prompt"}
    assert "secret" not in json.dumps(results[1:-1])


@pytest.mark.parametrize(
    ("source", "out", "told"),
    [
        ("missing", "out", "does not exist"),
        ("folder", "out", "is no file"),
        ("blank", "out", "no requests"),
        ("good", "folder", "no regular file"),
        ("good", "pipe", "no regular file"),
        ("good", "link", "no regular file"),
        ("good", "/dev/null", "no regular file"),
        ("good", "missing/out", "no folder"),
        ("good", "good", "its own requests"),
        ("good", "foreign", "foreign.partial cannot be read"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, settings: Settings, source: str, out: str, told: str) -> None:
    """At once, also where results are to be replaced, and nothing is made or changed."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    contents = {"blank": "\n \n", "good": json.dumps(WHEEL), "foreign.partial": "{}\nnot ours\n"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    before = sorted((path.name, path.lstat().st_mode) for path in tmp_path.iterdir())
    with pytest.raises(RunRefusedError, match=told):
        run_to(tmp_path / out, tmp_path / source, settings, restart=out != "foreign")
    assert sorted((path.name, path.lstat().st_mode) for path in tmp_path.iterdir()) == before
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == contents


def test_requests_that_change_meanwhile_are_noticed(
    tmp_path: Path, source: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No results are written of a file that is another one at the end."""

    def changing(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield from answer_all(*arguments, **options)
        source.write_text(f"{json.dumps(WHEEL)}\n")

    monkeypatch.setattr(file_run, "answer_all", changing)
    with pytest.raises(RunRefusedError, match="has changed"):
        run_to(tmp_path / "out", source, settings)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_named(tmp_path: Path, source: Path, settings: Settings) -> None:
    """What cannot be written says which file it was to go to, and the run goes on from there when there is room."""
    out = tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            run_to(out, source, settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.filename == f"{out}.partial"
    assert run_to(out, source, settings) == run_to(tmp_path / "undisturbed", source, settings)


def test_the_summary_counts_failures_by_their_codes(tmp_path: Path, settings: Settings) -> None:
    """The most frequent first, those of an earlier run among them; without failures there are no codes."""
    source = tmp_path / "prompts.jsonl"
    source.write_text('[\n{"prompt": " "}\n]\n' + json.dumps(WHEEL))
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            run_to(tmp_path / "out", source, settings)
    run = FileRun(source=source, out=tmp_path / "out", quiet=True)
    assert "4 requests (4 of them earlier), 3 failed (malformed_json 2, blank_prompt 1), in " in run.run(settings).summary()
    source.write_text(json.dumps(WHEEL))
    assert "1 requests, 0 failed, in " in FileRun(source=source, out=tmp_path / "two", quiet=True).run(settings).summary()


@pytest.mark.parametrize(("quiet", "line_every_s", "lines"), [(False, 0.0, 2), (False, 1e9, 0), (True, 0.0, 0)])
def test_without_a_terminal_there_are_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quiet: bool, line_every_s: float, lines: int
) -> None:
    """One as soon as the last, or the start, is long enough ago: requests done of all, and failed; none with --quiet."""
    key = RunKey(input_sha256="", model="", manifest_sha256="", engine="", prompt_characters=1, seed=SEED)
    with (
        partial_file(tmp_path / "out", key, restart=False) as partial,
        RunProgress(9, partial, quiet=quiet, line_every_s=line_every_s) as progress,
    ):
        for number in range(2):
            results = [RequestResult.failed(number, MalformedLineError())]
            partial.append(results)
            progress.count(results)
    written = ["1 of 9 requests, 1 failed", "2 of 9 requests, 2 failed"]
    assert capsys.readouterr().err.splitlines() == written[:lines]
