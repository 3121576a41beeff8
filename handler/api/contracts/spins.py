"""Wheels of sessions on the wire: look, spin, choose."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from handler.api.contracts.precision import PrecisionBody
from handler.api.contracts.sessions import SessionHead
from handler.api.contracts.settings import SettingsBody, SettingsRequest, UsedSettings
from handler.api.contracts.tokens import TokenBody
from handler.api.contracts.turns import DrawBody, TurnBody
from handler.api.contracts.wheels import OtherBody, SliceBody, WheelBody
from handler.wheel.session import Category

LONGEST_SEED = 100


def _seed_text(seed: object) -> str:
    # A seed is hashed as text, so 7 and "7" are one seed. bool is an int to Python, not to JSON.
    text = str(seed) if isinstance(seed, int) and not isinstance(seed, bool) else seed
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_SEED:
        raise PydanticCustomError("seed", "a seed is a text of 1 to 100 characters, or an integer with no more digits")
    return text


SentSeed = Annotated[str, Field(min_length=1, max_length=LONGEST_SEED)] | int
Seed = Annotated[str, BeforeValidator(_seed_text, json_schema_input_type=SentSeed)]


class SpinRequest(SettingsRequest):
    """A spin of the wheel last shown, or of one with changed settings. The same seed always draws the same."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"seed": "class 7b", "temperature": 1.2, "threshold": 0.02}]})

    seed: Seed | None = None
    expected_version: int | None = Field(default=None, description="409 when the session is no longer at this version")


class AppendTokenRequest(SpinRequest):
    """One of `token_id`, `token_text` (exactly one token) and `category` "other", which draws within Other."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"token_id": 262}, {"category": "other", "seed": 7}]}
    )

    token_id: int | None = None
    token_text: str | None = None
    category: str | None = Field(default=None, description='"other", or nothing')


class NextTokenProbs(UsedSettings, SessionHead):
    """The wheel after the session's tokens."""

    current_text: str
    above_threshold_tokens: list[TokenBody]
    other_category: OtherBody
    total_above_threshold_probability: float
    vocabulary_size: int
    slices: list[SliceBody]
    entropy: float = Field(description="in bits")
    perplexity: float
    precision: PrecisionBody


class AppendedToken(TokenBody):
    """The token that was appended, with the numbers of the wheel that was shown."""

    category: Category
    sampled_from_other: bool


class SpunBody(SessionHead):
    """What a spin drew, where the pointer stops, and the next wheel (null once the session is finished)."""

    appended_token: AppendedToken
    draw: DrawBody
    settings: SettingsBody = Field(description="those of the wheel that was drawn from")
    target_angle: float = Field(description="degrees on the wheel that was shown, 0 to 360")
    slice_index: int = Field(description="the slice of the wheel that was shown")
    previous_text: str
    current_text: str
    generation_count: int
    wheel: WheelBody | None


class OtherCategoryInfo(BaseModel):
    """What Other held when a token was drawn from it."""

    total_probability: float
    token_count: int
    selected_token_rank: int


class AppendedBody(SessionHead):
    """What was appended, and the next wheel (null once the session is finished)."""

    previous_text: str
    appended_token: AppendedToken
    current_text: str
    token_history: list[TurnBody]
    generation_count: int
    other_category_info: OtherCategoryInfo | None = None
    draw: DrawBody | None
    settings: SettingsBody = Field(description="those of the wheel that was chosen from")
    wheel: WheelBody | None
