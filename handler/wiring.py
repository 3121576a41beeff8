"""The one place where the parts are put together."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from handler.settings import MEGABYTE, Settings
from handler.stores.sqlite import SqliteSessionStore
from handler.telemetry import Telemetry
from handler.wheel.ledger import Ledger
from handler.wheel.session import SessionStore
from handler.wheel.token_wheel import TokenWheel
from model_layer.catalog import ModelCatalog
from model_layer.language_model import LanguageModel
from model_layer.sampling import system_uniform
from model_layer.threads import use_threads

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of the service, connected."""

    settings: Settings
    clock: Clock
    catalog: ModelCatalog
    store: SessionStore
    wheel: TokenWheel
    ledger: Ledger
    telemetry: Telemetry

    def model(self, name: str | None = None) -> LanguageModel:
        """A model by name, the default one without. Raises ModelNotFoundError, ModelNotLoadableError."""
        return self.catalog.get(self.catalog.default if name is None else name)

    def prime(self) -> None:
        """Load the default model and run it once, so that the first student does not wait. Raises ModelNotLoadableError."""
        started = time.perf_counter()
        model = self.model()
        model.next_logits([model.end_of_text_id])
        use_threads(self.settings.compute_threads)
        self.telemetry.started(model=model.name, load_ms=(time.perf_counter() - started) * 1000)


def utc_now() -> datetime:
    """The time, aware of its zone."""
    return datetime.now(UTC)


def build(settings: Settings, *, clock: Clock = utc_now, uniform: Callable[[], float] = system_uniform) -> Application:
    """Connect the parts. No model is loaded and no store is opened yet. Raises ModelNotFoundError, ModelNotLoadableError."""
    use_threads(settings.compute_threads)
    catalog = ModelCatalog.discover(
        settings.models_folders,
        wanted=settings.model,
        engine=settings.engine,
        prefix_cache_bytes=settings.prefix_cache_mb * MEGABYTE,
    )
    wheel = TokenWheel(
        catalog,
        clock=clock,
        idle_ttl_s=settings.session_idle_ttl_s,
        max_age_s=settings.session_max_age_s,
        max_turns=settings.max_turns,
        uniform=uniform,
    )
    store = _store(settings, clock)
    telemetry = Telemetry(settings, forward_passes=lambda: _forward_passes(catalog))
    return Application(settings, clock, catalog, store, wheel, Ledger(store, wheel), telemetry)


@cache
def application() -> Application:
    """The application of this process, from its environment, made once."""
    return build(Settings.from_environment())


def _store(settings: Settings, clock: Clock) -> SessionStore:
    if settings.session_store == "sqlite":
        return SqliteSessionStore(settings.data_folder / "sessions.sqlite3", clock=clock)
    from handler.stores.dynamodb import DynamoDbSessionStore  # noqa: PLC0415 - boto3 loads only for those who use it

    assert settings.sessions_table, "settings name a table with dynamodb"
    return DynamoDbSessionStore(settings.sessions_table, clock=clock, max_age_s=settings.session_max_age_s)


def _forward_passes(catalog: ModelCatalog) -> int:
    return sum(catalog.get(name).forward_passes for name in catalog.names() if catalog.is_loaded(name))
