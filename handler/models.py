"""The models that the settings name."""

from handler.settings import MEGABYTE, Settings
from model_layer.catalog import ModelCatalog
from model_layer.provider import ModelProvider


def catalog_of(settings: Settings, provider: ModelProvider | None = None) -> ModelCatalog:
    """The models of the settings, and those of a provider, none loaded yet. Raises ModelNotFoundError, ModelNotLoadableError."""
    return ModelCatalog.discover(
        settings.models_folders,
        wanted=settings.model,
        engine=settings.engine,
        prefix_cache_bytes=settings.prefix_cache_mb * MEGABYTE,
        provider=provider,
    )
