"""`python -m handler.serve`, as a person at a terminal meets it."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from handler.server import bound_socket
from handler.settings import Settings
from tests.api_client import tiny_model_folder

COMMAND = [sys.executable, "-m", "handler.serve"]


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process with the given variables."""
    return {**os.environ, "THREADS": "1", **variables}


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_when_told(tmp_path: Path, told: signal.Signals) -> None:
    """With port 0 it takes a free one; the line comes when the model has run; SIGTERM and Ctrl-C end it in good order."""
    variables = environment(MODEL=str(tiny_model_folder()), PORT="0", DATA_FOLDER=str(tmp_path))
    with subprocess.Popen(COMMAND, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        address = next(found[1] for line in process.stdout if (found := re.search(r"Token Wheel with tiny: (\S+)", line)))
        answer = httpx.get(f"{address}ready", timeout=60)
        process.send_signal(told)
        assert answer.json() == {"status": "ready"}
        assert process.wait(timeout=60) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("variables", "told"), [({"PORT": "many"}, "PORT"), ({"MODEL": "nope"}, "make bake")])
def test_what_keeps_it_from_starting_is_one_line(variables: dict[str, str], told: str) -> None:
    """A wrong setting and a missing model are named, with exit code 1 and no traceback."""
    done = subprocess.run(COMMAND, env=environment(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """The port is taken before anything is loaded, so that the refusal comes at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = {"MODEL": str(tiny_model_folder()), "DATA_FOLDER": str(tmp_path), "PORT": str(taken.getsockname()[1])}
        done = subprocess.run(COMMAND, env=environment(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


def test_connections_send_at_once() -> None:
    """No connection waits for an acknowledgement before it sends the rest of an answer (Nagle's algorithm, RFC 896)."""
    with bound_socket(Settings(port=0)) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
