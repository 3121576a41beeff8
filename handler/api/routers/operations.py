"""The state of the service, for load balancers and operators."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from handler.api.answers import json_response, rendered
from handler.api.contracts.operations import Health, Ready
from handler.api.documents import answers, failures
from handler.api.problems import NOT_FOUND
from handler.api.requests import App
from handler.wheel.errors import StoreUnavailableError
from model_layer.errors import ModelNotLoadableError

router = APIRouter(tags=["operations"])

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.head("/health", include_in_schema=False)
@router.get("/health", responses=answers(Health))
def health(application: App) -> Response:
    """The process answers; nothing is loaded or asked for it."""
    default = application.catalog.default
    loaded = application.catalog.is_loaded(default)
    text = rendered(Health, status="healthy", model_loaded=loaded, model_name=default, timestamp=application.clock())
    return json_response(text)


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses=answers(Ready, ModelNotLoadableError, StoreUnavailableError))
def ready(application: App) -> Response:
    """The model is loaded, and the stores of sessions and jobs answer."""
    application.model()
    application.store.check()
    application.desk.store.check()
    return json_response(rendered(Ready, status="ready"))


@router.get("/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **failures(NOT_FOUND)})
def metrics(application: App) -> Response:
    """Prometheus text; on Lambda, where every environment would tell its own part, there is none (404)."""
    text = application.telemetry.exposition()
    if text is None:
        raise HTTPException(404)
    return Response(text, media_type=PROMETHEUS_TEXT)
