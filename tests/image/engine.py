"""A container engine for the tests: the one that runs, or else one of our own, started as root and stopped with the tests."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60


class NoEngineError(Exception):
    """Raise when there is no container engine; the message says what is needed."""


@contextmanager
def engine() -> Iterator[None]:
    """An engine that `docker` finds in the block. Raises NoEngineError."""
    if shutil.which("docker") and _answers():
        yield
        return
    if not shutil.which("dockerd") or os.geteuid() != 0:
        raise NoEngineError("a container engine is needed: one that runs, or root and Debian's docker.io with iptables")
    with _own_engine():
        yield


@contextmanager
def _own_engine() -> Iterator[None]:
    """With a bridge of its own: `sam local` publishes ports, and its builds have no other network."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as folder:
        places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        host = f"unix://{folder}/socket"
        with Path(folder, "log").open("wb") as log:
            daemon = subprocess.Popen(["dockerd", *places, "-H", host], stdout=log, stderr=log)
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = host
        try:
            _wait(daemon)
            yield
        finally:
            daemon.terminate()
            daemon.wait()
            unmount = ["umount", "--lazy", f"{folder}/exec/netns/default"]  # dockerd leaves it
            subprocess.run(unmount, capture_output=True, check=False)
            os.environ.pop("DOCKER_HOST")
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def _wait(daemon: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while not _answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise NoEngineError("dockerd is there and does not start: containers are not allowed here")
        time.sleep(0.2)


def _answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def docker(*arguments: str, given: str | None = None) -> str:
    """What a command of docker prints. Raises AssertionError with its last words when it fails."""
    done = subprocess.run(["docker", *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout
