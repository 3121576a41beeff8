"""From the start of the serving process to the first wheel over HTTP: the NumPy engine beside transformers.

`python -m benchmarks.start [--model FOLDER] [--rounds N]`. The engines take turns; page cache warm after round one,
which is not counted.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENGINES = ("numpy", "transformers")
RESULTS = Path(__file__).parent / "results"
PROMPT = "Once upon a time there was a little girl who lived in the"


def first_wheel_ms(engine: str, model: str) -> float:
    """Start one server, ask for one wheel as soon as it answers, stop it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data_folder:
        settings = {"ENGINE": engine, "MODEL": model, "PORT": str(port), "DATA_FOLDER": data_folder, "LOG_LEVEL": "ERROR"}
        started = time.perf_counter()
        command = [sys.executable, "-m", "handler.serve"]
        server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
        try:
            ask_for_wheel(port, server)
            return (time.perf_counter() - started) * 1000
        finally:
            server.terminate()
            server.wait()


def ask_for_wheel(port: int, server: subprocess.Popen[bytes]) -> None:
    """POST /api/wheel until the server listens. Raises RuntimeError when it dies or answers anything but 200."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("POST", "/api/wheel", json.dumps({"prompt": PROMPT}), {"Content-Type": "application/json"})
            status = connection.getresponse().status
        except ConnectionRefusedError:
            if server.poll() is not None:
                raise RuntimeError("the server stopped before it answered") from None
            time.sleep(0.002)
            continue
        if status != http.client.OK:
            raise RuntimeError(f"the first wheel was answered {status}")
        return


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def main() -> None:
    """Command line: print a table and keep it as JSON."""
    parser = argparse.ArgumentParser(description="Time from process start to the first wheel over HTTP.")
    parser.add_argument("--model", default="storybook", help="a model's name or folder")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    times: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for engine in ENGINES:
        first_wheel_ms(engine, arguments.model)
    for _ in range(arguments.rounds):
        for engine in ENGINES:
            times[engine].append(first_wheel_ms(engine, arguments.model))
    medians = {engine: round(statistics.median(values)) for engine, values in times.items()}
    ratio = medians["transformers"] / medians["numpy"]
    for engine, median in medians.items():
        print(f"{engine:<14}{median:>7} ms to the first wheel over HTTP, median of {arguments.rounds}")
    print(f"ratio         {ratio:>7.1f} x")
    result = {"model": Path(arguments.model).name, "rounds": arguments.rounds, "median_ms": medians, "ratio": round(ratio, 2)}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"start-{result['model']}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
