"""A class that spins: what a spin costs outside the model, and how much memory the server ever held.

50 sessions of 20 spins each, one request at a time over one connection, SQLite; what the model's own calls took is told by
`benchmarks.timed_server` and taken off.
"""

import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, Figures
from benchmarks.models import ModelFolders
from benchmarks.start import PROMPT, post, post_when_ready, server

SESSIONS = 50
SPINS_A_SESSION = 20
ENGINE = "ours gpt2"

Span = tuple[float, float]  # begin and end in seconds of CLOCK_MONOTONIC


def measure(figures: Figures, folders: ModelFolders, *, sessions: int = SESSIONS) -> None:
    """`spin_ms`, `spin_overhead_p50_ms`, `spin_overhead_p99_ms` and `server_peak_memory_mb`."""
    with tempfile.TemporaryDirectory() as folder:
        times_file = Path(folder) / "times.json"
        settings = {"MODEL": str(folders.folder("float16")), "TIMES_FILE": str(times_file)}
        with server(settings, "benchmarks.timed_server") as (port, process):
            post_when_ready(port, process, "/api/wheel", {"prompt": PROMPT})
            spins = spun(port, sessions)
            memory_mb = peak_memory_mb(process.pid)
        forwards = [(began, ended) for began, ended in json.loads(times_file.read_text(encoding="utf-8"))]
    overheads = [overhead_ms(spin, forwards) for spin in spins]
    whole = [(ended - began) * 1000 for began, ended in spins]
    figures.add(Figure.median("spin_ms", ENGINE, whole))
    for percent in (50, 99):
        value = round(percentile(overheads, percent), 3)
        figures.add(Figure(f"spin_overhead_p{percent}_ms", ENGINE, 0, 1, value, len(spins)))
    figures.add(Figure("server_peak_memory_mb", ENGINE, len(spins), 1, round(memory_mb, 1), 1))


def spun(port: int, sessions: int) -> list[Span]:
    """When each spin began and ended; the sessions take turns, as a class does."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    created = [started(connection, number) for number in range(sessions)]
    spans: list[Span] = []
    for turn in range(SPINS_A_SESSION):
        for place, session in enumerate(created):
            began = time.monotonic()
            answer = post(connection, f"/api/sessions/{session}/spin", {"seed": turn})
            spans.append((began, time.monotonic()))
            if json.loads(answer)["finished"]:  # a text that came to its end gives its place to a new one
                created[place] = started(connection, len(spans))
    connection.close()
    return spans


def started(connection: http.client.HTTPConnection, number: int) -> str:
    """The id of a new session whose prompt no other has."""
    return str(json.loads(post(connection, "/api/sessions", {"prompt": f"{PROMPT} {number}"}))["session_id"])


def overhead_ms(spin: Span, forwards: Sequence[Span]) -> float:
    """What of a spin's time was not within a call of the model."""
    began, ended = spin
    inside = sum(end - begin for begin, end in forwards if began <= begin and end <= ended)
    return (ended - began - inside) * 1000


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which `percent` of 100 values lie, between two of them where need be."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def peak_memory_mb(process_id: int) -> float:
    """The most memory that a process ever held at once, in MB of 10**6 bytes (VmHWM)."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
