"""Wheels and scores of texts that belong to no session."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handler.api.contracts.settings import ClosedBody, SettingsRequest
from handler.api.contracts.wheels import WheelBody

Text = Annotated[str, Field(min_length=1)]


class WheelRequest(ClosedBody):
    """One `prompt`, or up to 64 `prompts` that are computed together. All get the same settings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"prompt": "Once upon a time"}, {"prompts": ["The cat", "A dog"], "settings": {"temperature": 0.7}}]
        }
    )

    model_name: str | None = None
    prompt: Text | None = None
    prompts: list[Text] | None = Field(default=None, min_length=1)
    settings: SettingsRequest = SettingsRequest()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.prompt is None) == (self.prompts is None):
            raise ValueError("give either prompt or prompts")
        return self

    def texts(self) -> list[str]:
        """The prompts, however they were given."""
        return [self.prompt] if self.prompt is not None else list(self.prompts or [])


class WheelsBody(BaseModel):
    """One wheel for each prompt, in order."""

    model_name: str
    wheels: list[WheelBody]


class ScoreRequest(ClosedBody):
    """A text to score."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Once upon a time there was a king."}]})

    model_name: str | None = None
    text: Text


class ScoredTokenBody(BaseModel):
    """A token of the text and what the model thought of it. The first has nothing before it, so no numbers."""

    token_id: int
    token_text: str
    token_bytes: list[int]
    probability: float | None
    log_probability: float | None
    model_probability: float | None
    rank: int | None


class ScoreBody(BaseModel):
    """Every token of a text with its probability after the tokens before it; logarithms are natural."""

    model_name: str
    token_count: int
    tokens: list[ScoredTokenBody]
    total_log_probability: float
    perplexity: float | None = Field(description="null for a text of one token")
    bits_per_character: float | None
