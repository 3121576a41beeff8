"""What runs in the namespaces: endpoints, pools, the queue's poller and the gateway. `tests.emulation` starts it."""

import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.ports import free_ports
from tests.emulation.aws import ACCOUNT, LAB_FUNCTION, Aws, moto_server, polling
from tests.emulation.execution import Environment
from tests.emulation.gateway import gateway
from tests.emulation.lambda_api import LambdaApi
from tests.emulation.layout import ROOT, Confined, Installed, Unconfined, confined
from tests.emulation.pool import Pool
from tests.emulation.stack import Stack

FUNCTIONS = ("WebFunction", "BatchFunction", LAB_FUNCTION)
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41  # SIOCSIFFLAGS; IFF_UP | IFF_RUNNING
LEAST_S = 60  # the emulator counts a runtime's start against the function's time


def main(listeners: tuple[int, int], environments: int, models: str, how: str) -> None:
    """Serve the API and the functions on these sockets until SIGTERM or Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    installed = _installed(Path(models).resolve() if models else None)
    place: Confined | Unconfined = Unconfined(installed)
    if how == "confined":
        _loopback_up()
        place = confined(installed)
    stack = Stack()
    with ExitStack() as closing:
        listener, functions, own = (closing.enter_context(one) for one in (*map(_inherited, listeners), _new_listener()))
        moto_port = free_ports(1)[0]
        aws = Aws(closing.enter_context(moto_server(installed.interpreter, moto_port)))
        shared = {**ACCOUNT, **aws.make(stack.properties), **aws.make_lab(stack.properties), "AWS_ENDPOINT_URL": aws.url}
        shared |= {"MODEL": os.environ["MODEL"], "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{own.getsockname()[1]}"}
        pools = {name: closing.enter_context(_pool(stack, name, place, shared, environments)) for name in FUNCTIONS}
        for one in (functions, own):  # for callers outside, and for the functions themselves
            LambdaApi(pools, one).start()
        closing.enter_context(polling(aws, shared["JOB_QUEUE_URL"], pools["BatchFunction"]))
        server = gateway(stack, pools["WebFunction"], listener)
        invoke = f"http://127.0.0.1:{functions.getsockname()[1]}"
        sys.stdout.write(f"as on Lambda, {how}: http://127.0.0.1:{server.port}/ and, for `aws lambda invoke`, {invoke}\n")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _installed(models: Path | None) -> Installed:
    version = f"python3.{sys.version_info.minor}"
    packages = ROOT / ".venv" / "lib" / version / "site-packages"
    return Installed(
        interpreter=ROOT / ".venv" / "bin" / "python",
        packages=packages,
        sam_packages=next(Path(path) for path in sys.path if path.endswith("site-packages")),
        models=models,
    )


@contextmanager
def _pool(stack: Stack, name: str, place: Confined | Unconfined, shared: dict[str, str], most: int) -> Iterator[Pool]:
    """The environments of one function, ended after the block."""
    variables = {**stack.variables(name), **shared, "DATA_FOLDER": "/tmp/token-wheel"}
    variables["AWS_LAMBDA_FUNCTION_TIMEOUT"] = str(max(LEAST_S, int(variables["AWS_LAMBDA_FUNCTION_TIMEOUT"])))
    handler = stack.entry_point(name)
    pool = Pool(lambda: Environment(place, variables, handler=handler), most=most)
    try:
        yield pool
    finally:
        pool.stop()


def _inherited(number: int) -> socket.socket:
    return socket.socket(fileno=number)


def _new_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def _loopback_up() -> None:
    """A new network namespace has one interface, and it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))


if __name__ == "__main__":
    main((int(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3]), sys.argv[4], sys.argv[5])
