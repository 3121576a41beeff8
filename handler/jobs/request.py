"""One request of a job: as it is sent, and as it is run."""

from dataclasses import dataclass
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from handler.api.contracts.settings import ClosedBody, SettingsRequest
from handler.api.contracts.spins import Seed
from handler.api.contracts.stateless import Text
from handler.api.limits import within_limit
from handler.settings import Settings
from handler.wheel.prompts import prompt_token_ids
from handler.wheel.session import WheelSettings
from model_layer.language_model import LanguageModel

MOST_NEW_TOKENS = 512
MOST_COMPLETIONS = 16
MOST_TOKENS = 1024  # of all completions of a request: ten such requests fit one invocation, and all but odd texts one item


class JobRequest(ClosedBody):
    """A prompt to make a wheel of, or with `max_new_tokens` to go on from: `n` completions, drawn by the wheel's settings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "Once upon a time"},
                {"prompt": "The king", "settings": {"temperature": 0.7}, "max_new_tokens": 20, "seed": "class 7b", "n": 2},
            ]
        }
    )

    prompt: Text
    settings: SettingsRequest = SettingsRequest()
    max_new_tokens: int | None = Field(default=None, ge=1, le=MOST_NEW_TOKENS, description="left out: a wheel, no completion")
    seed: Seed | None = Field(default=None, description="left out: one is drawn, and told with the result")
    n: int = Field(default=1, ge=1, le=MOST_COMPLETIONS, description=f"at most {MOST_TOKENS} tokens in all completions together")

    @model_validator(mode="after")
    def _completions_have_a_length(self) -> Self:
        if self.max_new_tokens is None and (self.seed is not None or self.n > 1):
            raise ValueError("seed and n are for completions: give max_new_tokens too")
        if self.new_tokens > MOST_TOKENS:
            raise ValueError(f"n times max_new_tokens may be at most {MOST_TOKENS}")
        return self

    @property
    def new_tokens(self) -> int:
        """How many tokens may be drawn for it: none for a wheel."""
        return self.n * (self.max_new_tokens or 0)


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request that a model can run. A wheel has no seeds, completions have one each."""

    prompt: str
    token_ids: tuple[int, ...]
    settings: WheelSettings
    max_new_tokens: int = 0
    seeds: tuple[str, ...] = ()


def checked(request: JobRequest, model: LanguageModel, *, seed: str, limits: Settings) -> CheckedRequest:
    """The request for `model`; its completions are drawn by `seed` if it brings none.

    The first of n completions has the seed itself, so it is the same whatever n is, and a session that is spun with this
    seed draws the same tokens. Raises PromptTooLongError, BlankPromptError, ContextWindowExceededError, SettingOutOfRangeError.
    """
    base = seed if request.seed is None else request.seed
    numbers = range(request.n if request.max_new_tokens else 0)
    return CheckedRequest(
        prompt=request.prompt,
        token_ids=prompt_token_ids(model, within_limit(request.prompt, limits)),
        settings=request.settings.change().applied_to(WheelSettings(), vocab_size=model.vocab_size),
        max_new_tokens=request.max_new_tokens or 0,
        seeds=tuple(f"{base}#{number}" if number else base for number in numbers),
    )
