"""One execution environment: the runtime emulator, and under it Lambda's own runtime client with our handler."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from benchmarks.ports import free_ports
from tests.emulation.layout import Confined, Unconfined, environment

INVOCATIONS = "/2015-03-31/functions/function/invocations"
LONGEST_S = 960  # more than Lambda gives any function
START_S = 30


class EnvironmentEndedError(Exception):
    """Raise when an environment's process ended in the middle of an invocation, or before it."""


class Environment:
    """A process tree that answers one invocation at a time. Its runtime starts with the first one."""

    def __init__(self, place: Confined | Unconfined, variables: Mapping[str, str], *, handler: str) -> None:
        """Start the emulator, under which `handler` is called."""
        self._port, runtime_port = free_ports(2)
        arguments = ["--log-level", "error", "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        arguments += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
        self._process = subprocess.Popen(
            place.command(arguments, ["-m", "awslambdaric", handler]),
            env=environment(place, variables),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # the runtime is its child, and has to go with it
        )

    def invoke(self, payload: bytes) -> bytes:
        """What the function answers. Raises EnvironmentEndedError."""
        connection = self._connected()
        try:
            connection.request("POST", INVOCATIONS, payload)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EnvironmentEndedError from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise EnvironmentEndedError
        return content

    def _connected(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LONGEST_S)
            try:
                connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.01)
            else:
                return connection
        raise EnvironmentEndedError

    def stop(self) -> None:
        """End the whole tree."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
