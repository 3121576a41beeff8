"""The system as Lambda runs it: template, gateway, runtime client and emulator, another user, a read-only tree, no network."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.baked_models import make_baked_model
from tests.emulation.layout import GROUP, ROOT, USER, can_confine
from tests.gate import is_gate

SAM_PYTHON = ROOT / ".cache" / "sam" / "bin" / "python"
EVENTS = sorted(path for path in (ROOT / "events").glob("*.json") if path.stem not in {"pre-traffic", "lab-run"})
ENVIRONMENTS = 4
PATIENCE_S = 120
PROBE = """
import json, multiprocessing, os, socket

def refused(work):
    try:
        work()
    except OSError:
        return True
    return False

print(json.dumps({
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "read_only": [refused(lambda path=path: open(f"{path}/new", "w")) for path in ("/var/task", "/opt/python", "/usr", "")],
    "tmp": refused(lambda: open("/tmp/new", "w")),
    "locks": refused(multiprocessing.Lock),
    "network": refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=5)),
    "home": os.path.exists("/root/.bashrc") or os.path.exists("/home"),
}))
"""


@dataclass(frozen=True, slots=True)
class System:
    """A running emulation."""

    process: "subprocess.Popen[bytes]"
    api: str
    functions: str

    def http(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and body of an answer of the API."""
        return _asked(method, self.api + path, body)

    def invoke(self, event: object, function: str = "WebFunction") -> Any:
        """What a function answers to an event."""
        return _asked("POST", f"{self.functions}/2015-03-31/functions/{function}/invocations", event)[1]

    def runtimes(self) -> list[int]:
        """The process ids of the runtimes that are running now."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"awslambdaric" in command and b"--runtime-api-address" not in command and self._is_ours(int(folder.name)):
                found.append(int(folder.name))
        return found

    def _is_ours(self, process_id: int) -> bool:
        while process_id > 1:
            if process_id == self.process.pid:
                return True
            process_id = int(Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[1])
        return False


def _asked(method: str, url: str, body: object) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The emulation with the tiny model, confined."""
    missing = [] if SAM_PYTHON.is_file() else ["the SAM command (make .cache/sam/bin/sam)"]
    missing += [] if can_confine() else ["root on Linux"]
    if missing and is_gate() and os.geteuid() == 0:
        pytest.fail(f"needed here: {missing}")
    if missing:
        pytest.skip(f"needed: {', '.join(missing)}")
    models = tmp_path_factory.mktemp("models")
    models.chmod(0o755)  # the environments' user reads it
    make_baked_model(models / "tiny")
    log = tmp_path_factory.mktemp("log") / "emulation.log"
    options = ["--port=0", "--invoke-port=0", f"--environments={ENVIRONMENTS}", f"--models={models}", "--model=tiny"]
    command = [str(SAM_PYTHON), "-m", "tests.emulation", *options]
    with log.open("wb") as writing, subprocess.Popen(command, cwd=ROOT, stdout=writing, stderr=writing) as process:
        try:
            api, functions = _ready(process, log)
            yield System(process, api, functions)
        finally:
            process.send_signal(signal.SIGTERM)


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> tuple[str, str]:
    """Where the emulation listens, once it says so."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := re.search(r"on Lambda, confined: (http://\S+)/ and.* (http://\S+)", log.read_text(encoding="utf-8"))):
        assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found[1], found[2]


def test_a_session_over_the_gateway(system: System) -> None:
    """Created, spun by a seed, undone: through the routes and the events of our own template."""
    status, session = system.http("POST", "/api/sessions", {"prompt": "Once upon a time"})
    assert status == 201
    path = f"/api/sessions/{session['session_id']}"
    status, spin = system.http("POST", f"{path}/spin", {"seed": 7})
    assert (status, spin["version"]) == (200, 1)
    status, undone = system.http("POST", f"{path}/undo")
    assert (status, undone["current_text"], undone["version"]) == (200, "Once upon a time", 2)
    assert system.http("GET", "/ready")[0] == 200


def test_pings_together_warm_an_environment_each(system: System) -> None:
    """The function calls itself by its alias until as many are busy as were asked for."""
    answer = system.invoke({"warm_up": {"concurrency": ENVIRONMENTS, "hold_ms": 3000}})["warm_up"]
    assert (answer["environments"], answer["failed"]) == (ENVIRONMENTS, 0)


def test_more_than_there_may_be_are_refused(system: System) -> None:
    """As many calls fail as environments are missing."""
    answer = system.invoke({"warm_up": {"concurrency": ENVIRONMENTS + 2, "hold_ms": 3000}})["warm_up"]
    assert (answer["environments"], answer["failed"]) == (ENVIRONMENTS, 2)


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_is_answered(system: System, path: Path) -> None:
    """By the real runtime client, within its limits."""
    event = json.loads(path.read_text(encoding="utf-8"))
    if path.stem == "warm-up-concurrency":
        event["warm_up"]["concurrency"] = ENVIRONMENTS
    answer = system.invoke(event, "BatchFunction" if path.stem.startswith("sqs") else "WebFunction")
    assert "errorType" not in answer, answer
    assert answer.get("statusCode", 200) in {200, 201}
    assert answer.keys() & {"statusCode", "batchItemFailures", "warm_up", "results"}


def test_an_unknown_event_is_a_named_error(system: System) -> None:
    """Told by the runtime client as the function's error."""
    assert system.invoke({"unknown": 1})["errorType"] == "UnknownEventError"


def test_environments_are_confined(system: System) -> None:
    """What a program may do that runs where the runtime runs, as its user."""
    system.invoke({"warm_up": {}})
    runtime = system.runtimes()[0]
    status = Path(f"/proc/{runtime}/status").read_text()
    assert re.search(rf"^Uid:\t{USER}\t{USER}\t{USER}\t{USER}$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert b"\0HOME=" not in b"\0" + Path(f"/proc/{runtime}/environ").read_bytes()
    interpreter = Path(f"/proc/{runtime}/cmdline").read_bytes().split(b"\0")[0].decode()
    inside = ["nsenter", f"--target={runtime}", "--mount", "--net", "--ipc", "--root", "--wd"]
    program = [f"--setuid={USER}", f"--setgid={GROUP}", interpreter, "-c", PROBE]
    done = subprocess.run([*inside, *program], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"})
    assert json.loads(done.stdout) == {
        "user": [USER, GROUP, []],
        "read_only": [True] * 4,
        "tmp": False,
        "locks": True,
        "network": True,
        "home": False,
    }


def test_a_job_is_worked_off_by_the_other_function(system: System) -> None:
    """Through the queue of the template, with its results where the web function finds them."""
    requests = [{"prompt": "Once"}, {"prompt": "The fox", "max_new_tokens": 3, "seed": 1}]
    status, job = system.http("POST", "/api/jobs", {"requests": requests})
    assert status == 202
    deadline = time.monotonic() + PATIENCE_S
    while (found := system.http("GET", f"/api/jobs/{job['job_id']}")[1])["state"] != "completed":
        assert time.monotonic() < deadline, found["state"]
        time.sleep(0.2)
    assert found["counts"]["done"] == 2


def test_killed_environments_are_replaced(system: System) -> None:
    """A session goes on in another one: nothing of it was in the process."""
    session = system.http("POST", "/api/sessions", {"prompt": "Once upon a time"})[1]["session_id"]
    for runtime in system.runtimes():
        os.kill(runtime, signal.SIGKILL)
    answers = [system.http("POST", f"/api/sessions/{session}/spin", {"seed": 1}) for _ in range(2 * ENVIRONMENTS)]
    assert answers[-1][0] == 200
    assert system.http("GET", f"/api/sessions/{session}")[1]["generation_count"] == [status for status, _ in answers].count(200)
