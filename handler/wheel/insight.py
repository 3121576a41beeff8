"""What a session's wheel can teach without a change of the session: many spins of it, the greedy path, all logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handler.wheel.distribution import TokenShare
from handler.wheel.errors import PromptMissingError
from handler.wheel.room import SliceCount, spin_room
from handler.wheel.session import Session, WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.token_wheel import TokenWheel
from handler.wheel.wheel import Wheel, draw_token, make_wheel
from model_layer.language_model import LanguageModel
from model_layer.sampling import seeded_uniform, system_uniform


@dataclass(frozen=True, slots=True)
class Room:
    """The counts of many spins of a wheel."""

    wheel: Wheel
    counts: list[SliceCount]


@dataclass(frozen=True, slots=True)
class GreedyPath:
    """The likeliest tokens after a prompt, one after the other, and their text."""

    tokens: list[TokenShare]
    text: str


@dataclass(frozen=True, slots=True)
class RankedLogits:
    """The model's logits by rank, (vocab_size,), and its first tokens, enough for any wheel of them.

    Temperature and filters keep the order of the ranks, so whoever has both can make every wheel without the model.
    """

    tokens: list[TokenShare]
    logits: NDArray[np.float32]


def room(
    wheel: TokenWheel,
    session: Session,
    change: SettingsChange,
    *,
    spins: int,
    seed: str | None = None,
    uniform: Callable[[], float] = system_uniform,
) -> Room:
    """The session's wheel, spun `spins` times. With a seed, spin i takes the number that it gives for turn i.

    Raises what a spin raises.
    """
    shown = wheel.shown_wheel(session, change)
    numbers = [uniform() if seed is None else seeded_uniform(seed, index) for index in range(spins)]
    return Room(shown, spin_room(shown, numbers))


def greedy_path(wheel: TokenWheel, session: Session, tokens: int) -> GreedyPath:
    """Up to `tokens` tokens after the prompt, each of rank 1; fewer where text or context window end.

    Raises PromptMissingError.
    """
    model = wheel.model_of(_prompted(session))
    path = _likeliest(model, session.prompt_token_ids, tokens)
    return GreedyPath(path, model.decode([share.token_id for share in path]))


def ranked_logits(wheel: TokenWheel, session: Session) -> RankedLogits:
    """All that the model says of the next token. Raises PromptMissingError."""
    model = wheel.model_of(_prompted(session))
    logits = model.next_logits(session.token_ids)
    distribution = make_wheel(logits, WheelSettings(), model.token_bytes).distribution
    tokens = [distribution.share(rank) for rank in range(1, distribution.head.size + 1)]
    return RankedLogits(tokens, np.sort(logits)[::-1])


def _prompted(session: Session) -> Session:
    if not session.prompt_token_ids:
        raise PromptMissingError
    return session


def _likeliest(model: LanguageModel, token_ids: Sequence[int], tokens: int) -> list[TokenShare]:
    ids = list(token_ids)
    path: list[TokenShare] = []
    while len(path) < tokens and len(ids) < model.context_window and ids[-1] != model.end_of_text_id:
        path.append(draw_token(model.next_logits(ids), WheelSettings(), model.token_bytes, 0.0))
        ids.append(path[-1].token_id)
    return path
