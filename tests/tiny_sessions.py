"""What a session of a tiny model needs: a catalogue of it and a clock."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from handler.wheel.outcomes import Appended, Change
from handler.wheel.session import Session
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from model_layer.errors import ModelNotFoundError
from model_layer.language_model import LanguageModel
from tests.tiny_models import make_tiny_model

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROMPT = "Once upon a time there was a"
SAME = SettingsChange()


class OneModel:
    """A catalogue of one model."""

    default = "tiny"

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def get(self, name: str) -> LanguageModel:
        """The model, by its name only."""
        if name != self.default:
            raise ModelNotFoundError(name)
        return self._model


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """The time it was set to."""
        return self.now


def open_tiny(folder: Path) -> LanguageModel:
    """A tiny random model with a window of 64 tokens, loaded from nothing but the folder made for it."""
    return LanguageModel.open(make_tiny_model(folder), name="tiny")


def started(wheel: TokenWheel, prompt: str | None = PROMPT, settings: SettingsChange = SAME) -> Session:
    """A new session."""
    return wheel.start(model_name=None, prompt=prompt, settings=settings).after


def spins(wheel: TokenWheel, session: Session, count: int, seed: str = "class 7b") -> Iterator[Change[Appended]]:
    """That many seeded spins, one after the other."""
    for _ in range(count):
        change = wheel.spin(session, SAME, seed)
        yield change
        session = change.after


def with_tokens(session: Session, count: int, token_id: int = 5) -> Session:
    """The session with `count` tokens more."""
    return replace(session, generated_token_ids=session.generated_token_ids + (token_id,) * count)
