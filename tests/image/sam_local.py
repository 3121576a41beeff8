"""`sam build` and `sam local start-api` on a build context, with moto's server for tables and queue."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ports import free_ports
from tests.emulation.aws import ACCOUNT, Aws, moto_server
from tests.image import stand_in
from tests.image.engine import docker
from tests.template.template import properties

SAM = stand_in.SAM / "bin" / "sam"
PARAMETERS = f"BaseImage={stand_in.TAG} Models=tiny ModelsFrom=.models"
GATEWAY = "{{(index .IPAM.Config 0).Gateway}}"  # this machine, as containers on the bridge see it
READY_S = 120


@contextmanager
def local_api(context: Path) -> Iterator[str]:
    """The URL of the template's API. `context` holds the template, what the image is made of, and a model named tiny."""
    environment = {**os.environ, **ACCOUNT, "SAM_CLI_TELEMETRY": "0"}
    build = [str(SAM), "build", "--no-use-buildkit", "--parameter-overrides", PARAMETERS]
    done = subprocess.run(build, cwd=context, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    host = docker("network", "inspect", "bridge", "--format", GATEWAY).strip()
    port, moto_port = free_ports(2)
    with moto_server(Path(sys.executable), moto_port, host=host) as endpoint:
        variables = {**Aws(endpoint).make(properties), "AWS_ENDPOINT_URL": endpoint, "MODEL": "tiny"}
        file = context / "variables.json"
        file.write_text(json.dumps({"WebFunction": variables}), encoding="utf-8")
        with _started(context, port, file, environment):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _started(context: Path, port: int, variables: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """The API, and nothing left of its containers after the block."""
    options = ["--port", str(port), "--warm-containers", "EAGER", "--skip-pull-image", "--env-vars", str(variables)]
    start = [str(SAM), "local", "start-api", *options, "--parameter-overrides", PARAMETERS]
    log = context / "sam.log"
    before = set(docker("ps", "--quiet", "--all").split())
    with log.open("wb") as writing, subprocess.Popen(start, cwd=context, env=environment, stdout=writing, stderr=writing) as sam:
        try:
            _wait(f"http://127.0.0.1:{port}/health", sam, log)
            yield
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
