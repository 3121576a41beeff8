"""The environments of one function, as Lambda keeps them: one invocation at a time each, started when all others are busy."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.emulation.execution import Environment, EnvironmentEndedError

ENDED = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "the environment ended"}).encode()


class ThrottledError(Exception):
    """Raise when as many environments as there may be are busy."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an invocation gave; `failed` when it is an error of the function's."""

    payload: bytes
    failed: bool


class Pool:
    """At most `most` environments, the one used last is used first. Thread-safe."""

    def __init__(self, make: Callable[[], Environment], *, most: int) -> None:
        """`make` starts an environment."""
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._busy = 0

    def invoke(self, payload: bytes) -> Result:
        """Run one invocation. Raises ThrottledError. An environment that ends in it is replaced by the next invocation."""
        environment = self._taken()
        try:
            answer = environment.invoke(payload)
        except EnvironmentEndedError:
            self._gone(environment)
            return Result(ENDED, failed=True)
        with self._lock:
            self._busy -= 1
            self._idle.append(environment)
        return Result(answer, failed=_is_error(answer))

    def _taken(self) -> Environment:
        with self._lock:
            if self._busy >= self._most:
                raise ThrottledError
            self._busy += 1
            if self._idle:
                return self._idle.pop()
            environment = self._make()
            self._all.add(environment)
            return environment

    def _gone(self, environment: Environment) -> None:
        environment.stop()
        with self._lock:
            self._busy -= 1
            self._all.discard(environment)

    def stop(self) -> None:
        """End all environments."""
        with self._lock:
            for environment in self._all:
                environment.stop()
            self._all.clear()
            self._idle.clear()


def _is_error(answer: bytes) -> bool:
    try:
        content = json.loads(answer)
    except ValueError:
        return True  # "Task timed out after ..."
    return isinstance(content, dict) and "errorType" in content
