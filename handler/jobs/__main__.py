"""`python -m handler.jobs run prompts.jsonl`: batch inference of a local file."""

import argparse
import sys
from pathlib import Path

from handler.starting import nothing_collected

ABOUT = """
Answer the requests of a file, one JSON object a line, as POST /api/jobs takes them:

  {"prompt": "Once upon a time"}                                     the wheel of the next token
  {"prompt": "The king", "max_new_tokens": 20, "seed": 7, "n": 2}    two completions

The results come in the order of the requests. A line that cannot be run has a result that says why, and stops no other.
Blank lines are skipped. Model and engine are those of the environment (MODEL, MODELS_FOLDERS, ENGINE, THREADS), as for
`make run`, and so is the longest prompt (PROMPT_CHARACTERS, 2000).

What is done is kept in OUT.partial: after a stop, of whatever kind, the same command computes only what is missing, and
gives what it would have given undisturbed. OUT appears when all is done; one that is there is replaced only by --restart.

Exit code: 0 when every line has its result, 1 with a reason when the run cannot go on, 130 after Ctrl-C.
"""


def main() -> None:
    """Run a file with the settings of the environment; what keeps it from running is one line and exit code 1."""
    given = _arguments()
    try:
        sys.stdout.write(f"{_run(given)}\n")
    except KeyboardInterrupt:
        sys.stderr.write("stopped: the same command goes on from here\n")
        raise SystemExit(130) from None  # 128 and the number of SIGINT, as shells count


def _run(given: argparse.Namespace) -> str:
    with nothing_collected():
        from handler.jobs.file_run import FileRun  # noqa: PLC0415 - these take most of a second, and --help needs none of them
        from handler.jobs.partial_file import RunRefusedError  # noqa: PLC0415
        from handler.settings import Settings  # noqa: PLC0415
        from model_layer.errors import ModelLayerError  # noqa: PLC0415
    settings = Settings.or_exit()
    if given.model is not None:
        settings = settings.model_copy(update={"model": given.model})
    run = FileRun(
        source=given.source,
        out=given.out or given.source.parent / f"{given.source.stem}.results.jsonl",
        seed=given.seed,
        at_once=given.at_once,
        restart=given.restart,
        quiet=given.quiet,
    )
    try:
        return f"{run.run(settings).summary()}\n{run.out}"
    except OSError as error:
        raise SystemExit(": ".join(filter(None, (error.filename, error.strerror)))) from None
    except (RunRefusedError, ModelLayerError) as error:
        raise SystemExit(str(error)) from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handler.jobs")
    commands = parser.add_subparsers(required=True, metavar="run")
    run = commands.add_parser(
        "run", help="answer the requests of a file", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    run.add_argument("source", type=Path, metavar="FILE", help="requests, one a line")
    run.add_argument("--out", type=Path, help="where the results go (default: that of FILE with the ending .results.jsonl)")
    run.add_argument("--model", metavar="NAME|FOLDER", help="in place of MODEL")
    run.add_argument("--seed", type=_seed, help="of completions that bring none (default: drawn once, and told at the end)")
    run.add_argument("--at-once", type=_positive, metavar="N", help="texts that go forward together; more are faster, to a point")
    run.add_argument("--restart", action="store_true", help="throw away what an earlier run has computed")
    run.add_argument("--quiet", action="store_true", help="no progress bar; without a terminal there is none anyway")
    return parser.parse_args()


def _seed(text: str) -> str:
    if not (text.isprintable() and 0 < len(text) <= 80):  # with the numbers that are added it stays a seed of the API
        raise argparse.ArgumentTypeError("wanted: 1 to 80 printable characters")
    return text


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("wanted: a number from 1")
    return int(text)


if __name__ == "__main__":
    main()
