"""Init as Lambda does it: the real runtime client, `awslambdaric`, under the runtime emulator that aws-sam-cli carries.

The emulator starts the runtime at the first invocation, so init = the first invocation - a later one of the same size.
"""

import http.client
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.engine_process import environment
from benchmarks.environments import REPOSITORY, NotHereError, interpreter, packages
from benchmarks.figures import Figure, Figures
from benchmarks.machine import cores_for, pin
from benchmarks.models import ModelFolders
from benchmarks.ports import free_ports
from benchmarks.start import services

EVENT = REPOSITORY / "events" / "function-url-wheel.json"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
WARM_INVOCATIONS = 5
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",  # one virtual CPU
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",  # the emulator counts init against it
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "LOG_LEVEL": "ERROR",
}


def measure(figures: Figures, folders: ModelFolders, *, rounds: int) -> None:
    """`lambda_init_ms` and `lambda_first_answer_ms` of each service, in turns."""
    settings = services(folders)
    inits: dict[str, list[float]] = {name: [] for name in settings}
    firsts: dict[str, list[float]] = {name: [] for name in settings}
    for turn in range(rounds + 1):
        for name, given in settings.items():
            first_ms, warm_ms = invoked_ms(given)
            if turn:  # the first round fills the page cache
                firsts[name].append(first_ms)
                inits[name].append(first_ms - warm_ms)
    for name in settings:
        figures.add(Figure.median("lambda_init_ms", name, inits[name]))
        figures.add(Figure.median("lambda_first_answer_ms", name, firsts[name]))


def invoked_ms(settings: Mapping[str, str]) -> tuple[float, float]:
    """Milliseconds of the first invocation of an execution environment, and the median of some later ones."""
    with emulator(settings) as port:
        first_ms = invocation_ms(port, 0)
        return first_ms, statistics.median(invocation_ms(port, turn + 1) for turn in range(WARM_INVOCATIONS))


@contextmanager
def emulator(settings: Mapping[str, str]) -> Iterator[int]:
    """The port of one execution environment that has not started its runtime yet. Raises NotHereError."""
    client = packages(interpreter("lambda_client"))
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    program = packages(interpreter("lambda_emulator")) / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    port, runtime_port = free_ports(2)
    addresses = (
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{runtime_port}",
    )
    runtime = (sys.executable, "-m", "awslambdaric", "handler.entrypoint.lambda_handler")
    with tempfile.TemporaryDirectory() as data_folder:
        given = {**LAMBDA, "PYTHONPATH": str(client), "DATA_FOLDER": data_folder, **settings}
        process = subprocess.Popen(
            [str(program), "--log-level", "error", *addresses, *runtime],
            env=environment(1, given),
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the runtime is its child, and has to go with it
        )
        pin(process.pid, cores_for(1))
        try:
            _wait_until_listening(port, process)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def invocation_ms(port: int, turn: int) -> float:
    """Ask for the wheels after two short prompts that no invocation before asked for. Raises NotHereError."""
    event = json.loads(EVENT.read_text(encoding="utf-8"))
    event["body"] = json.dumps({"prompts": [f"Once upon a time {turn}", f"The fox said {turn}"]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    started = time.perf_counter()
    connection.request("POST", INVOCATIONS, json.dumps(event))
    answer = json.loads(connection.getresponse().read())
    elapsed_ms = (time.perf_counter() - started) * 1000
    connection.close()
    if answer.get("statusCode") != http.client.OK:
        raise NotHereError(f"under the emulator: {answer.get('errorMessage') or answer.get('statusCode')}")
    return elapsed_ms


def _wait_until_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.005)
        else:
            return
        finally:
            connection.close()
    raise NotHereError("the runtime emulator stopped at once")
