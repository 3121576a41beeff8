"""`sam build` and `sam local start-api` on a build context, with SQLite in the warm container for the tables."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.emulation.execution import free_ports
from tests.image import stand_in
from tests.image.engine import docker

SAM = stand_in.SAM / "bin" / "sam"
PARAMETERS = f"BaseImage={stand_in.TAG} Models=tiny ModelsFrom=.models"
ACCOUNT = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
WEB = {"SESSION_STORE": "sqlite", "JOB_STORE": "sqlite", "JOB_QUEUE": "sqlite", "MODEL": "tiny"}
READY_S = 120


@contextmanager
def local_api(context: Path) -> Iterator[str]:
    """The URL of the template's API. `context` holds the template, what the image is made of, and a model named tiny."""
    environment = {**os.environ, **ACCOUNT, "SAM_CLI_TELEMETRY": "0"}
    build = [str(SAM), "build", "--no-use-buildkit", "--parameter-overrides", PARAMETERS]
    done = subprocess.run(build, cwd=context, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    variables = context / "variables.json"
    variables.write_text(json.dumps({"WebFunction": WEB}), encoding="utf-8")
    port = free_ports(1)[0]
    options = ["--port", str(port), "--warm-containers", "EAGER", "--skip-pull-image", "--env-vars", str(variables)]
    start = [str(SAM), "local", "start-api", *options, "--parameter-overrides", PARAMETERS]
    log = context / "sam.log"
    before = set(docker("ps", "--quiet", "--all").split())
    with log.open("wb") as writing, subprocess.Popen(start, cwd=context, env=environment, stdout=writing, stderr=writing) as sam:
        try:
            _wait(f"http://127.0.0.1:{port}/health", sam, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            sam.terminate()
            sam.wait()
            for left in set(docker("ps", "--quiet", "--all").split()) - before:
                docker("rm", "--force", left)


def asked(method: str, url: str, body: object = None) -> Any:
    """The body of an answer. Raises OSError for anything but success."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def _wait(url: str, sam: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while sam.poll() is None and time.monotonic() < deadline:
        try:
            asked("GET", url)
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace")[-2000:])
