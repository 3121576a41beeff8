"""Refuses a body that is too long or not JSON before anything reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.api.errors import Problem, answer
from handler.api.paths import route_path
from handler.api.strict_json import canonical

MALFORMED = Problem(422, "malformed_json", "the body is not JSON (UTF-8, no NaN, no Infinity, no lone surrogate)")
NOT_JSON = Problem(415, "unsupported_media_type", "send the body as Content-Type: application/json")


@dataclass(frozen=True, slots=True)
class BodyGuard:
    """Middleware. `limit` in bytes goes for every path that has no limit of its own in `limits`."""

    app: ASGIApp
    limit: int
    limits: Mapping[str, int]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused body, pass any other on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limits.get(route_path(scope), self.limit)
        headers = Headers(scope=scope)
        body = None if _declared(headers) > limit else await _read(receive, limit)
        refusal = _too_long(limit) if body is None else _refusal(body, headers.get("content-type", ""))
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self.app(scope, _replay(body or b"", receive), send)


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than the limit, however it is chunked."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _refusal(body: bytes, content_type: str) -> Response | None:
    if not body:
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        return answer(NOT_JSON)
    try:
        canonical(body)
    except (ValueError, RecursionError):
        return answer(MALFORMED)
    return None


def _too_long(limit: int) -> Response:
    problem = Problem(413, "body_too_long", f"the body may have at most {limit} bytes")
    return answer(problem, headers={"Connection": "close"})
