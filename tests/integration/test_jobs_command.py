"""`python -m handler.jobs run`, as a person at a terminal meets it: real processes where how they end matters."""

import json
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from handler.jobs.__main__ import main
from tests.api_client import tiny_model_folder

COMMAND = [sys.executable, "-m", "handler.jobs", "run"]
WORDS = ("once", "upon", "a", "time", "the", "little", "fox", "said", "to", "raven", "king", "sea", "ship", "forest", "night")
SEED = ["--seed", "class 7b"]
IMPORT_INTERRUPTED = """
import signal, sys
from handler.jobs.__main__ import main

class Interrupting:
    def find_spec(self, name, *_):
        if name == "%s":
            exec("signal.raise_signal(signal.SIGINT)")

sys.meta_path.insert(0, Interrupting())
main()
"""


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process, with the tiny model."""
    return {**os.environ, "THREADS": "1", "MODEL": str(tiny_model_folder()), **variables}


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, check=False)


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: object, **variables: str) -> None:
    """The command, in this process: for what no process of its own is needed."""
    monkeypatch.setattr(sys, "argv", ["", "run", *map(str, arguments)])
    for name, value in environment(**variables).items():
        monkeypatch.setenv(name, value)
    main()


def write_mixed_requests(path: Path, count: int, *, seed: int = 1) -> Path:
    """A file of wheels and completions of different lengths, the same for the same seed."""
    chance = random.Random(seed)
    with path.open("w") as file:
        for _ in range(count):
            request: dict[str, object] = {"prompt": " ".join(chance.choices(WORDS, k=chance.randint(1, 12)))}
            if chance.random() < 0.5:
                request |= {"max_new_tokens": chance.randint(1, 40), "settings": {"temperature": chance.choice([0.7, 1, 1.3])}}
            file.write(f"{json.dumps(request)}\n")
    return path


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes take Ctrl-C, also where the tests run in the background, whose processes inherit to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_for(partial: Path, process: subprocess.Popen[str], *, size: int) -> None:
    """Wait until the partial results of a running process have so many bytes."""
    while not (partial.exists() and partial.stat().st_size >= size):
        assert process.poll() is None, "it must not end before"
        time.sleep(0.001)


def killed_at(size: int, partial: Path, arguments: Sequence[object], with_signal: signal.Signals) -> tuple[int, str]:
    """Exit code and standard error of a run that is sent a signal when its partial results have grown to `size`, or more."""
    size = max(size, partial.stat().st_size + 1 if partial.exists() else 0)
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_for(partial, process, size=size)
        process.send_signal(with_signal)
        return process.wait(), process.communicate()[1]


@pytest.mark.usefixtures("interruptible")
def test_kills_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at a random moment, then interrupted, then run to its end, it gives the bytes of an undisturbed run."""
    source = write_mixed_requests(tmp_path / "prompts.jsonl", 200)
    run_here(monkeypatch, source, *SEED)
    undisturbed = (tmp_path / "prompts.results.jsonl").read_bytes()
    assert [json.loads(line)["index"] for line in undisturbed.splitlines()] == list(range(200))

    out, partial = tmp_path / "out", tmp_path / "out.partial"
    arguments = [source, "--out", out, *SEED]
    code, _ = killed_at(int(random.uniform(0, 0.4) * len(undisturbed)), partial, arguments, signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, told = killed_at(int(0.5 * len(undisturbed)), partial, arguments, signal.SIGINT)
    assert (code, told.count("\n")) == (130, 1)
    assert not out.exists()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "of them earlier" in done.stdout
    assert out.read_bytes() == undisturbed
    assert not partial.exists()


def test_two_runs_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process writes the results of a file, another is refused in one line."""
    source = write_mixed_requests(tmp_path / "prompts.jsonl", 50)
    arguments = [source, "--out", tmp_path / "out"]
    with subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment(), stdout=subprocess.DEVNULL, text=True) as first:
        wait_for(tmp_path / "out.partial", first, size=1)
        first.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(SystemExit, match="in use"):
                run_here(monkeypatch, *arguments, "--restart")
        finally:
            first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
    assert len((tmp_path / "out").read_bytes().splitlines()) == 50


def test_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A summary with counts, codes and rates, no prompt, no bar without a terminal; a bad line is counted and is no failure."""
    source = tmp_path / "prompts.jsonl"
    source.write_text('{"prompt": "secret fox", "max_new_tokens": 2}\n\n{"prompt": "secret\n{"prompt": "secret raven"}\n')
    run_here(monkeypatch, source)
    done = capfd.readouterr()
    assert done.out.startswith("3 requests, 1 failed (malformed_json 1), in ")
    assert "requests/s" in done.out
    assert not done.err
    assert "secret" not in done.out


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("module", ["argparse", "numpy"])
def test_an_interrupted_start_is_one_line(module: str) -> None:
    """Ctrl-C ends it as later on when it comes while modules are imported, even where one executes source it has made."""
    command = [sys.executable, "-c", IMPORT_INTERRUPTED % module, "run", "missing.jsonl"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (130, "", 1)
    assert done.stderr.startswith("stopped")


def test_a_summary_that_nobody_reads_is_no_failure(tmp_path: Path) -> None:
    """With its reader gone the command ends as ever, and its results are there; a full disk is one line."""
    source = write_mixed_requests(tmp_path / "prompts.jsonl", 3)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as unread, Path("/dev/full").open("wb") as full:
        ends = [
            subprocess.run([*COMMAND, source, "--restart"], env=environment(), stdout=stdout, stderr=subprocess.PIPE, check=False)
            for stdout in (unread, full)
        ]
    told = [(end.returncode, end.stderr) for end in ends]
    assert told == [(0, b""), (1, b"standard output: No space left on device\n")]
    assert len((tmp_path / "prompts.results.jsonl").read_bytes().splitlines()) == 3


def test_a_terminal_has_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows requests done of all, and none with --quiet."""
    source = write_mixed_requests(tmp_path / "prompts.jsonl", 3)
    assert "3/3" in terminal_of(monkeypatch, "--out", tmp_path / "one", source)
    assert not terminal_of(monkeypatch, "--out", tmp_path / "two", source, "--quiet")


def terminal_of(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """What the command draws when standard error is a terminal."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    with os.fdopen(its, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        run_here(monkeypatch, *arguments)
        monkeypatch.undo()
        terminal.write("end")
        terminal.flush()
        return drawn_on(ours)


def drawn_on(ours: int) -> str:
    """What came to our end of a terminal before the word `end`."""
    drawn = b""
    while not drawn.endswith(b"end"):
        drawn += os.read(ours, 1 << 16)
    os.close(ours)
    return drawn.decode().removesuffix("end")


@pytest.mark.parametrize(
    ("file", "variables", "told"),
    [
        ("missing.jsonl", {}, "does not exist"),
        ("one.jsonl", {"THREADS": "many"}, "THREADS"),
        ("one.jsonl", {"MODEL": "nope"}, "make bake"),
        ("done.jsonl", {}, "--restart"),
    ],
)
def test_what_keeps_it_from_running_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, variables: dict[str, str], told: str
) -> None:
    """It is what the process ends with, which is exit code 1 and no traceback, and leaves nothing behind."""
    for name in ("one.jsonl", "done.jsonl", "done.results.jsonl"):
        (tmp_path / name).write_text('{"prompt": "secret"}\n')
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as ended:
        run_here(monkeypatch, tmp_path / file, **variables)
    assert isinstance(ended.value.code, str), "Python writes a text to standard error, and exits with 1"
    assert told in ended.value.code
    assert len(ended.value.code.strip().splitlines()) == 1
    assert "secret" not in ended.value.code
    assert sorted(tmp_path.iterdir()) == before


def test_it_loads_no_web_and_no_aws(tmp_path: Path) -> None:
    """A whole run imports neither FastAPI nor boto3, nor what trains."""
    source = write_mixed_requests(tmp_path / "prompts.jsonl", 3)
    program = "import sys; from handler.jobs.__main__ import main; main(); print(*sys.modules)"
    command = [sys.executable, "-c", program, "run", str(source)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "numpy" in loaded
    assert not loaded & {"fastapi", "starlette", "uvicorn", "mangum", "boto3", "botocore", "torch", "transformers"}
