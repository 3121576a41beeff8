"""The API Gateway in front: SAM's own, on a socket that is already listening."""

import json
import logging
import socket
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from tests.emulation.pool import Pool, ThrottledError
from tests.emulation.stack import Stack

# What an HTTP API answers when Lambda has no environment left.
THROTTLED = json.dumps({"statusCode": 503, "headers": {"Retry-After": "1"}, "body": '{"message": "Service Unavailable"}'})


class Runner:
    """What SAM's gateway asks to invoke a function."""

    def __init__(self, pool: Pool) -> None:
        """All routes lead to the one function of this pool."""
        self._pool = pool

    def is_debugging(self) -> bool:
        """Never: requests run side by side."""
        return False

    def invoke(self, _function: str, event: str, stdout: Any, **_more: Any) -> None:
        """Write the function's answer."""
        try:
            answer = self._pool.invoke(event.encode()).payload.decode()
        except ThrottledError:
            answer = THROTTLED
        stdout.write_str(answer)


def gateway(stack: Stack, pool: Pool, listener: socket.socket) -> BaseWSGIServer:
    """A server on the listener, not yet serving."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    host, port = listener.getsockname()[:2]
    app = stack.gateway(Runner(pool), host=host, port=port)._app
    return make_server(host, port, app, threaded=True, fd=listener.fileno())
