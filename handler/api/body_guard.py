"""Lets only whole bodies of JSON in, none too long, before anything reads them."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.api.errors import answer
from handler.api.paths import route_path
from handler.api.problems import Problem
from handler.api.strict_json import DEEPEST_NESTING, canonical

TOO_LONG = Problem(413, "body_too_long")
NOT_JSON = Problem(415, "unsupported_media_type", "send the body as Content-Type: application/json")
MALFORMED = Problem(
    422,
    "malformed_json",
    f"the body is not JSON (UTF-8, no NaN, no Infinity, no lone surrogate, nested at most {DEEPEST_NESTING} deep)",
)


@dataclass(frozen=True, slots=True)
class BodyGuard:
    """Middleware. `limit` in bytes goes for every path that has no limit of its own in `limits`.

    What is passed on is the body's canonical form: what a fingerprint is made of is what the routes read.
    """

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
        try:
            body = None if _declared(headers) > limit else await _read(receive, limit)
        except ClientDisconnect:
            return  # part of a request is none
        checked = _too_long(limit) if body is None else _checked(body, headers.get("content-type", ""))
        if isinstance(checked, Response):
            await checked(scope, receive, send)
        else:
            await self.app(scope, _replay(checked, receive), send)


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than the limit, however it is chunked. Raises ClientDisconnect."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
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


def _checked(body: bytes, content_type: str) -> bytes | Response:
    """The canonical form, or the refusal."""
    if not body:
        return body
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    if kind != "application" or not (subtype == "json" or subtype.endswith("+json")):
        return answer(NOT_JSON)
    try:
        return canonical(body)
    except ValueError:
        return answer(MALFORMED)


def _too_long(limit: int) -> Response:
    return answer(TOO_LONG, headers={"Connection": "close"}, detail=f"the body may have at most {limit} bytes")
