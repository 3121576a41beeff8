"""Models and the state of the service on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from handler.api.contracts.precision import ModelPrecisionBody


class ModelBody(BaseModel):
    """A model that can be served here."""

    id: str
    name: str
    description: str
    parameters: str
    parameter_count: int
    default: bool
    loaded: bool
    vocabulary_size: int
    context_window: int
    precision: ModelPrecisionBody
    license: str
    source: str
    revision: str


class ModelsBody(BaseModel):
    """All models that can be served here."""

    models: list[ModelBody]


class Health(BaseModel):
    """The process answers."""

    status: Literal["healthy"]
    model_loaded: bool
    model_name: str
    timestamp: datetime


class Ready(BaseModel):
    """Model and session store answer too."""

    status: Literal["ready"]
