"""A wheel's settings, asked for and in use."""

from dataclasses import asdict
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from handler.wheel.session import WheelSettings
from handler.wheel.settings_change import SettingsChange


class RequestBody(BaseModel):
    """Base of every request's body: JSON's own types, none made of another. Clients of the published contract may send more."""

    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())


class ClosedBody(RequestBody):
    """Base of what only our own clients send: an unknown field is a mistake, and named."""

    model_config = ConfigDict(extra="forbid")


class SettingsFields(BaseModel):
    """A wheel's settings, as far as they are given; a value outside its limits is a 400."""

    threshold: float | None = Field(default=None, description="least probability of a slice of its own, 0 to 1")
    temperature: float | None = Field(default=None, description="0.01 to 100")
    top_k: int | None = Field(default=None, description="keep the k likeliest; 0 keeps all")
    top_p: float | None = Field(default=None, description="keep the smallest set of this mass; 1 keeps all")
    min_p: float | None = Field(default=None, description="drop what is less likely than this share of the likeliest; 0 to 1")
    other_top_k: int | None = Field(default=None, description="tokens of Other to list, 0 to 100")

    def change(self) -> SettingsChange:
        """The change that the core knows."""
        return SettingsChange(**{name: getattr(self, name) for name in SettingsFields.model_fields})


class SettingsRequest(ClosedBody, SettingsFields):
    """The same in a body."""


class UsedSettings(BaseModel):
    """A wheel's settings, all of them."""

    threshold: float
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    other_top_k: int


class SettingsBody(UsedSettings):
    """The settings that a wheel was made with."""

    @classmethod
    def of(cls, settings: WheelSettings) -> Self:
        """The wire form of settings."""
        return cls(**asdict(settings))
