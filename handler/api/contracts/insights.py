"""What a wheel can teach, on the wire: a room's spins, the greedy path, the logits."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from handler.api.contracts.settings import SettingsBody, SettingsFields
from handler.api.contracts.spins import Seed
from handler.api.contracts.tokens import TokenBody

MOST_SPINS = 10_000
MOST_GREEDY_TOKENS = 64

GreedyTokens = Annotated[int, Field(ge=1, le=MOST_GREEDY_TOKENS, description="the length of the path")]


class RoomQuery(SettingsFields):
    """How often to spin which wheel. Settings that are not given are those last shown."""

    spins: int = Field(default=1000, ge=1, le=MOST_SPINS)
    seed: Seed | None = Field(default=None, description="spin i then draws what a session's turn i would draw with it")


class SliceCountBody(BaseModel):
    """A slice, and how many of the spins stopped on it."""

    index: int
    kind: Literal["token", "other"]
    token: TokenBody | None = Field(description="null for Other")
    probability: float
    count: int
    frequency: float = Field(description="count by spins")
    low: float = Field(description="lower end of the 95 % confidence interval of the share (Wilson)")
    high: float = Field(description="upper end of it")


class RoomBody(BaseModel):
    """Many spins of one wheel. The session is as it was."""

    session_id: str
    version: int
    settings: SettingsBody
    spins: int
    seed: str | None
    slices: list[SliceCountBody]


class GreedyPathBody(BaseModel):
    """The prompt continued by the likeliest token every time."""

    session_id: str
    version: int
    tokens: list[TokenBody]
    text: str = Field(description="the decoding of the tokens")


class RankedLogitsBody(BaseModel):
    """All that the model says of the next token; every wheel of it follows from this."""

    session_id: str
    version: int
    vocabulary_size: int
    tokens: list[TokenBody] = Field(description="the first 256 ranks, at temperature 1 and without filters")
    logits: str = Field(description="of all tokens by rank: base64 of little-endian float32")
