"""Jobs behind `python -m handler.serve`: nothing else is needed, and a stop loses nothing."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.api_client import tiny_model_folder

PROMPTS = ("Once upon a time", "The fox said", "I see the sea, said the raven", "In the morning", "Then they walked together")


@contextmanager
def served(data_folder: Path) -> Iterator[str]:
    """The address of a server with the tiny model, which is told to stop at the end and ends in good order."""
    variables = {"MODEL": str(tiny_model_folder()), "PORT": "0", "DATA_FOLDER": str(data_folder), "THREADS": "1"}
    command = [sys.executable, "-m", "handler.serve"]
    with subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield next(found[1] for line in process.stdout if (found := re.search(r"Token Wheel with tiny: (\S+)/", line)))
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(timeout=60) == 0


def mixed_requests(count: int) -> list[dict[str, Any]]:
    """Wheels and completions of several lengths and settings."""
    chance = random.Random(5)
    completions = {"max_new_tokens": 12, "settings": {"temperature": 0.8}}, {"max_new_tokens": 3, "n": 4, "seed": "class 7b"}
    kinds: tuple[dict[str, Any], ...] = ({}, {"settings": {"threshold": 0.1, "top_k": 20}}, *completions)
    return [{"prompt": chance.choice(PROMPTS), **chance.choice(kinds)} for _ in range(count)]


def wait_for(address: str, job_id: str, *, share: float) -> list[float]:
    """The progress that was seen until it reached `share`."""
    seen = [0.0]
    while seen[-1] < share:
        time.sleep(0.05)
        seen.append(httpx.get(f"{address}/api/jobs/{job_id}?limit=0").json()["progress"])
    return seen


def test_a_thousand_prompts_are_done_over_a_restart(tmp_path: Path) -> None:
    """1,000 mixed prompts are handed in once; progress only grows, over a stop in the middle; each has its result once."""
    requests = mixed_requests(1000)
    with served(tmp_path) as address:
        answer = httpx.post(f"{address}/api/jobs", json={"requests": requests, "name": "a class"}, timeout=60)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["job_id"]
        seen = wait_for(address, job_id, share=0.2)
    with served(tmp_path) as address:
        seen += wait_for(address, job_id, share=1.0)[1:]
        job = httpx.get(f"{address}/api/jobs/{job_id}?limit=0").json()
        lines = httpx.get(f"{address}/api/jobs/{job_id}/results", timeout=60).text.splitlines()
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, "progress is seen on the way"
    assert job["state"] == "completed"
    assert job["counts"] == {"total": 1000, "done": 1000, "failed": 0, "waiting": 0}
    results = [json.loads(line) for line in lines]
    assert [result["index"] for result in results] == list(range(1000))
    assert [result["prompt"] for result in results] == [request["prompt"] for request in requests]
    assert [result["kind"] for result in results] == ["completion" if "max_new_tokens" in one else "wheel" for one in requests]
