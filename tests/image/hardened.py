"""An image run as hard as Lambda runs it. `python -m tests.image.hardened IMAGE` sends it every example event."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.image.engine import docker

EVENTS = sorted(
    path for path in (Path(__file__).parents[2] / "events").glob("*.json") if path.stem not in {"pre-traffic", "lab-run"}
)
AS_LAMBDA = ("--read-only", "--tmpfs=/tmp", "--ipc=none", "--network=none", "--user=993:990", "--cap-drop=ALL")
FUNCTION = ("--env=AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "--env=AWS_LAMBDA_FUNCTION_TIMEOUT=60")
INVOKE = """
import sys, urllib.request
url = "http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
print(urllib.request.urlopen(urllib.request.Request(url, sys.stdin.buffer.read())).read().decode())
"""


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """The id of a container, removed after the block."""
    container = docker("run", "--detach", *arguments).strip()
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def invoked(function: str, event: Any) -> Any:
    """The function's answer, asked for from within: the container has no network."""
    return json.loads(docker("exec", "-i", function, "python", "-c", INVOKE, given=json.dumps(event)))


def is_answer(event: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether an event got what its kind gets; what needs AWS, which is not there, says so."""
    if "errorMessage" in answer:
        return False
    if "requestContext" in event:
        return answer.get("statusCode") in {200, 201}
    if event.get("warm_up", {}).get("concurrency", 1) > 1:
        return bool(answer["error"]["status"] == 503)
    return bool(answer.keys() & {"batchItemFailures", "warm_up", "results"})


def main(image: str) -> int:
    """Send every event; the number of those that were not answered."""
    failed = 0
    with running(*AS_LAMBDA, *FUNCTION, image) as function:
        for path in EVENTS:
            event = json.loads(path.read_text(encoding="utf-8"))
            fine = is_answer(event, invoked(function, event))
            failed += not fine
            sys.stdout.write(f"{'answered' if fine else 'FAILED':9} {path.name}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
