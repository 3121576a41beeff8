"""A wheel on the wire."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from handler.api.contracts.precision import PrecisionBody
from handler.api.contracts.settings import SettingsBody
from handler.api.contracts.tokens import TokenBody
from handler.wheel.wheel import OtherSlice, Slice, Wheel


class SliceBody(BaseModel):
    """An arc of the wheel in degrees, clockwise from the pointer at 0, 360 x probability wide."""

    index: int
    kind: Literal["token", "other"]
    start_angle: float
    end_angle: float
    probability: float
    token: TokenBody | None = Field(description="null for Other")

    @classmethod
    def of(cls, piece: Slice) -> Self:
        """The wire form of a slice."""
        return cls(
            index=piece.index,
            kind=piece.kind,
            start_angle=piece.start_angle,
            end_angle=piece.end_angle,
            probability=piece.probability,
            token=None if piece.token is None else TokenBody.of(piece.token),
        )


class OtherBody(BaseModel):
    """What has no slice of its own: its mass, the number of its tokens that can be drawn, and its likeliest tokens."""

    total_probability: float
    token_count: int
    sample_tokens: list[TokenBody]

    @classmethod
    def of(cls, other: OtherSlice) -> Self:
        """The wire form of Other."""
        return cls(
            total_probability=other.total_probability,
            token_count=other.token_count,
            sample_tokens=[TokenBody.of(share) for share in other.sample_tokens],
        )


class WheelBody(BaseModel):
    """The slices of a next-token distribution: tokens by probability, then Other if it holds anything."""

    settings: SettingsBody
    slices: list[SliceBody]
    other_category: OtherBody
    total_above_threshold_probability: float
    vocabulary_size: int
    entropy: float = Field(description="in bits")
    perplexity: float = Field(description="2 to the power of the entropy")
    precision: PrecisionBody

    @classmethod
    def of(cls, wheel: Wheel, precision: PrecisionBody) -> Self:
        """The wire form of a wheel."""
        return cls(**wheel_fields(wheel, precision), settings=SettingsBody.of(wheel.settings))


def wheel_fields(wheel: Wheel, precision: PrecisionBody) -> dict[str, Any]:
    """The fields that a wheel has wherever it is shown."""
    return {
        "slices": [SliceBody.of(piece) for piece in wheel.slices],
        "other_category": OtherBody.of(wheel.other),
        "total_above_threshold_probability": wheel.total_above_threshold_probability,
        "vocabulary_size": wheel.vocabulary_size,
        "entropy": wheel.entropy,
        "perplexity": wheel.perplexity,
        "precision": precision,
    }


def wheel_or_none(wheel: Wheel | None, precision: PrecisionBody) -> WheelBody | None:
    """The wire form of the next wheel, if there is a next one."""
    return None if wheel is None else WheelBody.of(wheel, precision)
