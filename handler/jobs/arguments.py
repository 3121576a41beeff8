"""What a person can say to `python -m handler.jobs`."""

import argparse
from pathlib import Path

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


def arguments() -> argparse.Namespace:
    """Those of this process. What cannot be read ends it with a line that says why, and exit code 2."""
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
    run.add_argument("--quiet", action="store_true", help="no progress: no bar on a terminal, no line a minute elsewhere")
    return parser.parse_args()


def _seed(text: str) -> str:
    if not (text.isprintable() and 0 < len(text) <= 80):  # with the numbers that are added it stays a seed of the API
        raise argparse.ArgumentTypeError("wanted: 1 to 80 printable characters")
    return text


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("wanted: a number from 1")
    return int(text)
