"""From the start of the serving process to the first wheel over HTTP: this engine beside the same service on transformers."""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engine_process import environment
from benchmarks.environments import REPOSITORY, NotHereError, packages
from benchmarks.figures import Figure, Figures
from benchmarks.machine import cores_for, pin
from benchmarks.models import ModelFolders
from benchmarks.page_cache import drop, interpreter_files
from benchmarks.ports import free_port

PROMPT = "Once upon a time there was a little girl who lived in the"


def services(folders: ModelFolders) -> dict[str, dict[str, str]]:
    """The settings of each service that is compared, by name: transformers reads the float32 folder, which it likes best."""
    storybook = {
        f"{name} storybook": {"ENGINE": engine, "MODEL": "storybook", "MODELS_FOLDERS": ""}
        for name, engine in (("ours", "kernel"), ("transformers", "transformers"))
    }
    return {
        "ours gpt2": {"ENGINE": "kernel", "MODEL": str(folders.folder("float16"))},
        "transformers gpt2": {"ENGINE": "transformers", "MODEL": str(folders.folder("float32"))},
        **storybook,
    }


def measure(figures: Figures, folders: ModelFolders, *, rounds: int) -> None:
    """`http_first_wheel_ms` with warm page cache and `http_first_wheel_dropped_ms` without, the services in turn."""
    settings = services(folders)
    warm: dict[str, list[float]] = {name: [] for name in settings}
    dropped: dict[str, list[float]] = {name: [] for name in settings}
    for turn in range(rounds + 1):
        for name, given in settings.items():
            elapsed_ms = first_wheel_ms(given)
            if turn:  # the first round fills the page cache
                warm[name].append(elapsed_ms)
            if turn % 2:
                drop([packages(Path(sys.executable)), interpreter_files(), REPOSITORY / "model_layer", REPOSITORY / "handler"])
                drop([Path(given["MODEL"])] if given["MODEL"] != "storybook" else [])
                dropped[name].append(first_wheel_ms(given))
    for name in settings:
        figures.add(Figure.median("http_first_wheel_ms", name, warm[name]))
        figures.add(Figure.median("http_first_wheel_dropped_ms", name, dropped[name]))


def first_wheel_ms(settings: Mapping[str, str]) -> float:
    """Start one server, ask for one wheel as soon as it answers, stop it."""
    started = time.perf_counter()
    with server(settings) as (port, process):
        post_when_ready(port, process, "/api/wheel", {"prompt": PROMPT})
        return (time.perf_counter() - started) * 1000


@contextmanager
def server(settings: Mapping[str, str], module: str = "handler.serve") -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A serving process of one thread on a free port, with its sessions in a folder that goes with it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data_folder:
        own = {"THREADS": "1", "PORT": str(port), "DATA_FOLDER": data_folder, "LOG_LEVEL": "ERROR"}
        process = subprocess.Popen(
            [sys.executable, "-m", module], env=environment(1, {**own, **settings}), stdout=subprocess.DEVNULL, cwd=REPOSITORY
        )
        pin(process.pid, cores_for(1))
        try:
            yield port, process
        finally:
            process.terminate()
            process.wait()


def post_when_ready(port: int, process: "subprocess.Popen[bytes]", path: str, body: object) -> bytes:
    """POST until the server listens. Raises NotHereError when it dies or answers anything but success."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            return post(connection, path, body)
        except ConnectionRefusedError:
            if process.poll() is not None:
                raise NotHereError("the server stopped before it answered") from None
            time.sleep(0.002)
        finally:
            connection.close()


def post(connection: http.client.HTTPConnection, path: str, body: object) -> bytes:
    """The body of the answer. Raises NotHereError for anything but success."""
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status not in {http.client.OK, http.client.CREATED}:
        raise NotHereError(f"{path} was answered {response.status}")
    return content
