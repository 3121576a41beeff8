"""Headers that keep browsers from doing more with an answer than it is meant for."""

from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.api.documentation import VIEWER
from handler.api.paths import route_path

OWN_FILES_ONLY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
# The documentation page of the framework loads its script and style from there, and starts it with a line of its own.
SWAGGER_UI = (
    f"default-src 'self'; script-src 'self' 'unsafe-inline' {VIEWER}; "
    f"style-src 'self' 'unsafe-inline' {VIEWER}; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class SecurityHeaders:
    """Middleware round every answer. What a route sets itself stays."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the headers of its answer."""
        path = route_path(scope) if scope["type"] == "http" else ""

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers_of(path).items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, completed)


def _headers_of(path: str) -> dict[str, str]:
    policy = SWAGGER_UI if path.startswith("/docs") else OWN_FILES_ONLY
    caching = {"Cache-Control": "no-store"} if path.startswith("/api/") else {}
    return {**HEADERS, "Content-Security-Policy": policy, **caching}
