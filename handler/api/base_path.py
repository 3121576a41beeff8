"""A prefix that a proxy or a custom domain puts before every path."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from handler.api.paths import route_path


@dataclass(frozen=True, slots=True)
class BasePath:
    """Middleware: paths are understood with the prefix and without, as some proxies strip it; links are made with it."""

    app: ASGIApp
    prefix: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its path as the caller sees it."""
        if scope["type"] == "http":
            inner = route_path({"path": scope["path"], "root_path": self.prefix})
            scope = {**scope, "root_path": self.prefix, "path": self.prefix + inner}
        await self.app(scope, receive, send)
