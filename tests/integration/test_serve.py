"""`python -m handler.serve`, as a person at a terminal meets it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.api_client import tiny_model_folder

COMMAND = [sys.executable, "-m", "handler.serve"]


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process with the given variables."""
    return {**os.environ, "THREADS": "1", **variables}


def test_it_says_where_it_listens_and_stops_when_told(tmp_path: Path) -> None:
    """With port 0 it takes a free one; the line comes when the model has run; SIGTERM ends it in good order."""
    variables = environment(MODEL=str(tiny_model_folder()), PORT="0", DATA_FOLDER=str(tmp_path))
    with subprocess.Popen(COMMAND, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        address = next(found[1] for line in process.stdout if (found := re.search(r"Token Wheel with tiny: (\S+)", line)))
        answer = httpx.get(f"{address}ready", timeout=60)
        process.send_signal(signal.SIGTERM)
        assert answer.json() == {"status": "ready"}
        assert process.wait(timeout=60) in {0, -signal.SIGTERM}
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("variables", "told"), [({"PORT": "many"}, "PORT"), ({"MODEL": "nope"}, "make bake")])
def test_what_keeps_it_from_starting_is_one_line(variables: dict[str, str], told: str) -> None:
    """A wrong setting and a missing model are named, with exit code 1 and no traceback."""
    done = subprocess.run(COMMAND, env=environment(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
