"""What `make run` starts: a serving process with the bundled model and a database on disk."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.ports import free_port


@contextmanager
def server(data_folder: Path, *, stop_with: signal.Signals = signal.SIGTERM) -> Iterator[httpx.Client]:
    """A serving process on a free port with its sessions and log in `data_folder`, stopped at the end."""
    port = free_port()
    settings = {"PORT": str(port), "DATA_FOLDER": str(data_folder), "MODEL": "storybook"}
    data_folder.mkdir(exist_ok=True)
    log_path = data_folder / "server.log"  # a pipe that nobody reads would hold the server up once it is full
    with log_path.open("wb") as log:
        command = [sys.executable, "-m", "handler.serve"]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait_until_ready(client, process, log_path)
            yield client
    finally:
        process.send_signal(stop_with)
        process.wait()


def lab_worker(data_folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """What `make run-lab` starts: a process that takes up the training runs of such a server, told in `lab.log`."""
    settings = {"DATA_FOLDER": str(data_folder), "MODEL": "storybook", "THREADS": "1", "OMP_NUM_THREADS": "1", "LAB_LEASE_S": "5"}
    with (data_folder / "lab.log").open("ab") as log:
        command = [sys.executable, "-m", "handler.lab", *arguments]
        return subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log_path: Path) -> None:
    """Ask until the process listens; fail with its output when it stops."""
    while True:
        try:
            assert client.get("/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            if process.poll() is not None:
                raise RuntimeError(log_path.read_text()) from None
            time.sleep(0.05)
        else:
            return
