"""A tiny model that really computes, for the tests of sessions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.ledger import Ledger
from handler.wheel.session import Session
from handler.wheel.token_wheel import TokenWheel
from model_layer.language_model import LanguageModel
from tests.ledger_steps import start
from tests.tiny_sessions import Clock, OneModel, open_tiny, started


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A tiny random model with a window of 64 tokens."""
    return open_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def clock() -> Clock:
    """Noon."""
    return Clock()


@pytest.fixture
def wheel(model: LanguageModel, clock: Clock) -> TokenWheel:
    """A wheel of sessions of at most 100 turns."""
    return TokenWheel(OneModel(model), clock=clock, max_turns=100)


@pytest.fixture
def session(wheel: TokenWheel) -> Session:
    """A session at its prompt."""
    return started(wheel)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteSessionStore]:
    """A store in a new file."""
    store = SqliteSessionStore(tmp_path / "sessions.db", clock=clock)
    yield store
    store.close()


@pytest.fixture
def ledger(store: SqliteSessionStore, wheel: TokenWheel) -> Ledger:
    """The ledger of the store."""
    return Ledger(store, wheel)


@pytest.fixture
def session_id(ledger: Ledger, wheel: TokenWheel) -> str:
    """A kept session at its prompt."""
    return start(ledger, wheel)
