"""The page at `/docs`, with its viewer in one version: what runs in a visitor's browser changes with a commit only."""

from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

VIEWER = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0/"


async def show(request: Request) -> HTMLResponse:
    """The viewer, on the OpenAPI document of the app under the prefix that the caller sees."""
    prefix = request.scope.get("root_path", "").rstrip("/")
    return get_swagger_ui_html(
        openapi_url=f"{prefix}/openapi.json",
        title=request.app.title,
        swagger_js_url=f"{VIEWER}swagger-ui-bundle.js",
        swagger_css_url=f"{VIEWER}swagger-ui.css",
        swagger_favicon_url=f"{prefix}/icon.svg",
    )
