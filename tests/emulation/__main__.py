"""`python -m tests.emulation`: the whole system as Lambda runs it, without an account and without a container.

SAM's own API Gateway reads template.yaml and stands before a pool of environments; each is Lambda's runtime client under
the runtime emulator; tables and queue are moto's. As root everything but the API's socket lies in namespaces of its own:
another user, a read-only tree, no network but the loopback of that namespace. Run it by the SAM command's Python.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.emulation.layout import ROOT, can_confine

NAMESPACES = ("unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child")
INSIDE = ("-m", "tests.emulation.inside")
NOT_ROOT = "not confined: another user, a read-only tree and no network need root on Linux\n"


def main() -> int:
    """Take the port, then go on in the namespaces, until Ctrl-C or SIGTERM."""
    arguments = _arguments()
    with _listener(arguments.port) as api, _listener(arguments.invoke_port) as functions:
        numbers = [api.fileno(), functions.fileno()]
        confined = can_confine() and not arguments.unconfined
        if not confined:
            sys.stderr.write(NOT_ROOT)
        inside = [sys.executable, *INSIDE, *map(str, numbers), str(arguments.environments), str(arguments.models or "")]
        command = [*NAMESPACES, *inside, "confined"] if confined else [*inside, "unconfined"]
        own = {**os.environ, "MODEL": arguments.model}
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=numbers, env=own, start_new_session=True)
        for stop in (signal.SIGTERM, signal.SIGINT):  # `unshare` itself ignores both: all of its group are told
            signal.signal(stop, lambda *_: os.killpg(process.pid, signal.SIGTERM))
        return min(max(process.wait(), 0), 1)


def _listener(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=128)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation", description="The system as Lambda runs it.")
    parser.add_argument("--port", type=int, default=3000, help="of the API, on 127.0.0.1; 0 takes any (3000)")
    parser.add_argument("--invoke-port", type=int, default=3001, help="of Lambda's Invoke API, on 127.0.0.1 (3001)")
    parser.add_argument("--environments", type=int, default=4, help="the most environments of each function (4)")
    parser.add_argument("--models", type=Path, help="a folder of baked models, as /opt/models")
    parser.add_argument("--model", default="storybook", help="the model that is served by default (storybook)")
    parser.add_argument("--unconfined", action="store_true", help="as this user and on this network, also for root")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
