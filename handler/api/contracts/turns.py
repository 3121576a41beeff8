"""The turns of a session on the wire."""

import math
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from handler.api.contracts.settings import SettingsBody
from handler.api.contracts.tokens import TokenBody, token_fields
from handler.wheel.distribution import TokenShare
from handler.wheel.session import Category, Draw, Turn


class DrawBody(BaseModel):
    """The uniform number u in [0, 1) of a draw: the pointer stops at target_angle = 360 u."""

    u: float
    target_angle: float
    slice_index: int
    seed: str | None

    @classmethod
    def of(cls, draw: Draw) -> Self:
        """The wire form of a draw."""
        return cls(u=draw.u, target_angle=draw.target_angle, slice_index=draw.slice_index, seed=draw.seed)


class TurnBody(TokenBody):
    """An appended token with the wheel it came from. A chosen token has no draw."""

    index: int
    category: Category
    sampled_from_other: bool = Field(description="whether chance picked a token that had no slice of its own")
    selected_at: datetime
    settings: SettingsBody
    draw: DrawBody | None

    @classmethod
    def of_turn(cls, turn: Turn, token_bytes: bytes) -> Self:
        """The wire form of a turn; its token's bytes are the model's to say."""
        return cls(
            **token_fields(_share(turn, token_bytes)),
            index=turn.index,
            category=turn.category,
            sampled_from_other=turn.sampled_from_other,
            selected_at=turn.selected_at,
            settings=SettingsBody.of(turn.settings),
            draw=None if turn.draw is None else DrawBody.of(turn.draw),
        )


class TurnsPage(BaseModel):
    """A page of a session's history, oldest first."""

    session_id: str
    turns: list[TurnBody]
    generation_count: int = Field(description="the number of all turns")
    next_after: int | None = Field(description="give it as `after` for the next page; null on the last one")


def _share(turn: Turn, token_bytes: bytes) -> TokenShare:
    return TokenShare(
        token_id=turn.token_id,
        token_bytes=token_bytes,
        probability=turn.probability,
        log_probability=math.log(turn.probability) if turn.probability > 0 else None,
        model_probability=turn.model_probability,
        rank=turn.rank,
    )
