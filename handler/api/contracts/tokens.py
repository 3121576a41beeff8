"""One token, as every answer gives it."""

from typing import Any, Self

from pydantic import BaseModel, Field

from handler.wheel.distribution import TokenShare


class TokenBody(BaseModel):
    """A token of a wheel. `probability` is the shown wheel's, `model_probability` the model's own (temperature 1, no filter)."""

    token_id: int
    token_text: str = Field(description="the token alone; bytes that are only part of a character show as an escape like \\xc3")
    token_bytes: list[int] = Field(description="the token's exact bytes, 0 to 255")
    probability: float
    log_probability: float | None = Field(description="natural logarithm; null for probability 0")
    model_probability: float
    rank: int = Field(description="1 for the likeliest of the whole vocabulary")

    @classmethod
    def of(cls, share: TokenShare) -> Self:
        """The wire form of a token."""
        return cls(**token_fields(share))


def token_fields(share: TokenShare) -> dict[str, Any]:
    """The fields of TokenBody, for answers that add to them."""
    return {
        "token_id": share.token_id,
        "token_text": share.token_text,
        "token_bytes": list(share.token_bytes),
        "probability": share.probability,
        "log_probability": share.log_probability,
        "model_probability": share.model_probability,
        "rank": share.rank,
    }
