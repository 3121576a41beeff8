"""The models that the settings name."""

from handler.settings import MEGABYTE, Settings
from model_layer.catalog import ModelCatalog


def catalog_of(settings: Settings) -> ModelCatalog:
    """The models of the settings, none loaded yet. Raises ModelNotFoundError, ModelNotLoadableError."""
    return ModelCatalog.discover(
        settings.models_folders,
        wanted=settings.model,
        engine=settings.engine,
        prefix_cache_bytes=settings.prefix_cache_mb * MEGABYTE,
    )
