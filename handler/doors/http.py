"""HTTP events: API Gateway's REST and HTTP APIs, Function URLs, load balancers. All go to the one HTTP application."""

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mangum import Mangum
from starlette.types import ASGIApp, Receive, Scope, Send

from handler.api.app import create_app
from handler.api.errors import answer
from handler.api.problems import Problem
from handler.api.security_headers import HEADERS
from handler.telemetry import request_id_of
from handler.wiring import application

MALFORMED = Problem(400, "malformed_event", "the event is not a whole HTTP request")
DEFAULT_STAGE = "$default"  # the stage of HTTP APIs and Function URLs that shows in no path

logging.getLogger("mangum.http").setLevel(logging.WARNING)  # it would log paths as they came


def is_http(event: object) -> bool:
    """Whether an event is a request over HTTP."""
    if not isinstance(event, Mapping) or not isinstance(context := event.get("requestContext"), Mapping):
        return False
    return "elb" in context or isinstance(context.get("http"), Mapping) or "httpMethod" in event or "resource" in event


def handle_http(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The application's answer, in the shape that the event's source wants; 400 for an event that is no whole request."""
    adapter = _adapter()
    try:
        _check_body(event)
        return adapter(event, context)
    except Exception as error:  # noqa: BLE001 - the application answers its own errors: here the event could not be read
        request_id = request_id_of({"aws.context": context})
        application().telemetry.failure(error, request_id=request_id)
        return _bad_request(event, request_id)


def _check_body(event: Mapping[str, Any]) -> None:
    """Raise for a body that is not text, or not base64 where it says so: Mangum takes some of these for an empty one."""
    body = event.get("body")
    if body is not None and event.get("isBase64Encoded"):
        base64.b64decode(body, validate=True)
    elif body is not None:
        body.encode()


def _bad_request(event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    response = answer(MALFORMED, headers={**HEADERS, "X-Request-ID": request_id})
    headers = dict(response.headers)
    many = {"multiValueHeaders": {name: [value] for name, value in headers.items()}} if "multiValueHeaders" in event else {}
    body = bytes(response.body).decode()
    return {"statusCode": response.status_code, "headers": headers, **many, "body": body, "isBase64Encoded": False}


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
