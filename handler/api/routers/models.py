"""The models that can be served here."""

from fastapi import APIRouter
from starlette.responses import Response

from handler.api.answers import json_response, rendered
from handler.api.contracts.operations import ModelBody, ModelsBody
from handler.api.contracts.precision import ModelPrecisionBody
from handler.api.documents import answers
from handler.api.requests import App

router = APIRouter(tags=["models"])


@router.head("/api/models", include_in_schema=False)
@router.get("/api/models", responses=answers(ModelsBody))
def list_models(application: App) -> Response:
    """All models, with the one that sessions get by default."""
    models = [_model(application, name) for name in application.catalog.names()]
    return json_response(rendered(ModelsBody, models=models))


def _model(application: App, name: str) -> ModelBody:
    manifest = application.catalog.manifest(name)
    return ModelBody(
        id=name,
        name=manifest.name,
        description=manifest.description,
        parameters=_short(manifest.parameters),
        parameter_count=manifest.parameters,
        default=name == application.catalog.default,
        loaded=application.catalog.is_loaded(name),
        vocabulary_size=manifest.vocab_size,
        context_window=manifest.context_window,
        precision=ModelPrecisionBody.of(manifest),
        license=manifest.license,
        source=manifest.source,
        revision=manifest.revision,
    )


def _short(parameters: int) -> str:
    """The usual way to say a model's size: 124M."""
    return f"{parameters / 1e6:.0f}M" if parameters >= 10_000_000 else f"{parameters / 1e6:.1f}M"
