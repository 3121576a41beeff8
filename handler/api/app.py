"""The HTTP application: routes, errors and middleware put together. The same one answers on a laptop and on Lambda."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from handler.api import documentation, page
from handler.api.base_path import BasePath
from handler.api.body_guard import BodyGuard
from handler.api.documents import DocumentedApp
from handler.api.errors import install_handlers
from handler.api.request_log import RequestLog
from handler.api.routers import constitution, insights, jobs, lab_runs, models, operations, sessions, spins, wheels
from handler.api.security_headers import SecurityHeaders
from handler.wiring import Application

ROUTERS = (
    sessions.router,
    spins.router,
    insights.router,
    wheels.router,
    jobs.router,
    constitution.router,
    lab_runs.router,
    models.router,
    operations.router,
)
BATCH_PATHS = ("/api/wheel", "/api/jobs", "/api/constitution/evaluate")


def create_app(application: Application) -> FastAPI:
    """The app of an application. Nothing is loaded by it."""
    app = DocumentedApp(
        # The routes as they are: an included router builds each of its routes, with all validators, a second time.
        routes=[route for router in ROUTERS for route in router.routes],
        title="Token Wheel",
        summary="GPT-2's next-token distributions as wheels to spin.",
        version="0.1.0",
        docs_url=None,  # ours loads its viewer in one version
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # it would see paths and bodies
    )
    app.state.application = application
    app.add_route("/docs", documentation.show, include_in_schema=False)
    install_handlers(app, application.telemetry)
    _add_middleware(app, application)
    if page.FOLDER.is_dir():
        # Asked last, and only for paths of no route: a mount would turn a route's 405 into a 404.
        app.router.default = page.Page()
    return app


def _add_middleware(app: FastAPI, application: Application) -> None:
    """From the innermost to the outermost."""
    settings = application.settings
    limits = dict.fromkeys(BATCH_PATHS, settings.batch_body_bytes)
    app.add_middleware(BodyGuard, limit=settings.body_bytes, limits=limits)
    app.add_middleware(RequestLog, telemetry=application.telemetry)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Content-Type", "Idempotency-Key"],
            expose_headers=["X-Request-ID", "Retry-After", "Content-Disposition", "Location", "Link"],
        )
    app.add_middleware(SecurityHeaders)
    if settings.base_path:
        app.add_middleware(BasePath, prefix=settings.base_path)
