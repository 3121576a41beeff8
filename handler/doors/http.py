"""HTTP events: API Gateway's REST and HTTP APIs, Function URLs, load balancers. All go to the one HTTP application."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mangum import Mangum
from starlette.types import ASGIApp, Receive, Scope, Send

from handler.api.app import create_app
from handler.wiring import application

DEFAULT_STAGE = "$default"  # the stage of HTTP APIs and Function URLs that shows in no path

logging.getLogger("mangum.http").setLevel(logging.WARNING)  # it would log paths as they came


def is_http(event: object) -> bool:
    """Whether an event is a request over HTTP."""
    if not isinstance(event, Mapping) or not isinstance(context := event.get("requestContext"), Mapping):
        return False
    return "elb" in context or isinstance(context.get("http"), Mapping) or "httpMethod" in event


def handle_http(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The application's answer, in the shape that the event's source wants."""
    return _adapter()(event, context)


def prime() -> None:
    """Do now what the first request would wait for: connect the parts, load the model and run it once."""
    application().prime()
    _adapter()


@cache
def _adapter() -> Mangum:
    parts = application()
    app = create_app(parts)
    # lifespan="off": Mangum would start and stop the application at every call.
    return Mangum(app if parts.settings.base_path else StagePrefix(app), lifespan="off")


@dataclass(frozen=True, slots=True)
class StagePrefix:
    """Tells the application which stage its paths are shown under, so that links on `/docs` lead back to it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the stage as its root path."""
        event = scope["aws.event"]
        prefix = _stage_prefix(event)
        path = scope["path"] if "rawPath" in event else prefix + scope["path"]
        await self.app({**scope, "root_path": prefix, "path": path}, receive, send)


def _stage_prefix(event: Mapping[str, Any]) -> str:
    """`/prod` when the caller's path began with the stage `prod`, else nothing.

    HTTP APIs leave the stage in the path of the event, REST APIs only in that of its context.
    """
    context = event["requestContext"]
    prefix = f"/{context.get('stage', DEFAULT_STAGE)}"
    shown = context.get("path") or event.get("rawPath") or ""
    return prefix if f"{shown}/".startswith(f"{prefix}/") else ""
