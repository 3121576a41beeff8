"""One log line and one count for each request, an id in each answer, and the answer to what nobody expected."""

import time
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.api.errors import answer
from handler.api.problems import INTERNAL_ERROR
from handler.telemetry import RequestRecord, Telemetry, request_id_of

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class RequestLog:
    """Middleware round everything that answers."""

    app: ASGIApp
    telemetry: Telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tell what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, started, status = request_id_of(scope), time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - servers and Lambda's runtime would log its message, which may quote a text
            self.telemetry.failure(error, request_id=request_id)
            if not status:
                await answer(INTERNAL_ERROR, correlation_id=request_id)(scope, receive, watched)
        duration_ms = round((time.perf_counter() - started) * 1000, 3)
        self.telemetry.request(RequestRecord(_method(scope), _route(scope, status), status, duration_ms, request_id))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "OTHER"


def _route(scope: Scope, status: int) -> str:
    """The template of the route, never the path itself."""
    if "route" in scope:
        return str(scope["route"].path)
    return "page" if 200 <= status < 400 else "unmatched"
