"""Lambda's Invoke API, as far as our functions use it, so that boto3 finds them by AWS_ENDPOINT_URL_LAMBDA.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import re
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.emulation.pool import Pool, ThrottledError

PATH = re.compile(r"/2015-03-31/functions/([^/?]+)/invocations(\?.*)?")


class LambdaApi(ThreadingHTTPServer):
    """A server of functions by name. A qualifier makes no difference: there is one version."""

    daemon_threads = True

    def __init__(self, pools: Mapping[str, Pool], listener: socket.socket) -> None:
        """Serve on a socket that is listening, once `serve_forever` is called."""
        self.pools = pools
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def start(self) -> None:
        """Serve in a thread, until the process ends."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: LambdaApi
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Invoke and wait, or not."""
        payload = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        asked = PATH.fullmatch(self.path)
        pool = self.server.pools.get(asked[1].split(":")[0]) if asked else None
        if pool is None:
            self._answer(HTTPStatus.NOT_FOUND, b"{}", {"X-Amzn-Errortype": "ResourceNotFoundException"})
        elif self.headers.get("X-Amz-Invocation-Type") == "Event":
            threading.Thread(target=_quietly, args=(pool, payload), daemon=True).start()
            self._answer(HTTPStatus.ACCEPTED, b"", {})
        else:
            self._wait(pool, payload)

    def _wait(self, pool: Pool, payload: bytes) -> None:
        try:
            result = pool.invoke(payload)
        except ThrottledError:
            self._answer(HTTPStatus.TOO_MANY_REQUESTS, b"{}", {"X-Amzn-Errortype": "TooManyRequestsException"})
        else:
            self._answer(HTTPStatus.OK, result.payload, {"X-Amz-Function-Error": "Unhandled"} if result.failed else {})

    def _answer(self, status: HTTPStatus, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged: paths and payloads are not ours to show."""


def _quietly(pool: Pool, payload: bytes) -> None:
    """An asynchronous invocation is not repeated here: pings are not on Lambda either; a run of the lab would be."""
    try:
        pool.invoke(payload)
    except ThrottledError:
        return
