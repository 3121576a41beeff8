"""Warm-up: scheduled pings, and calls that ask for several environments at once.

A ping runs one real forward pass and touches no table. Held for a while it keeps its environment busy, so that pings that
come together each find, or start, an environment of their own.
"""

import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handler.doors.refusals import refused_fields, refused_for
from handler.wheel.errors import WheelError
from handler.wiring import Application, application
from model_layer.errors import ModelLayerError

MOST_HELD_MS = 10_000
MOST_ENVIRONMENTS = 100
HELD_TOGETHER_MS = 1_500  # unless the call says: longer than it takes to send 100 calls
MARGIN_MS = 2_000
SCHEDULERS = ("aws.events", "aws.scheduler")


class WarmUp(BaseModel):
    """What a ping may ask for."""

    model_config = ConfigDict(extra="forbid")

    concurrency: int = Field(default=1, ge=1, le=MOST_ENVIRONMENTS, description="environments to warm, this one among them")
    hold_ms: int | None = Field(default=None, ge=0, le=MOST_HELD_MS, description="how long each is kept busy")

    @property
    def held_ms(self) -> int:
        """How long each environment is kept busy: as asked, else as long as the number of environments needs."""
        return self.hold_ms if self.hold_ms is not None else HELD_TOGETHER_MS * (self.concurrency > 1)


class WarmUpAnswer(BaseModel):
    """What one ping found. `environments` counts the different ones that answered, `failed` the calls that did not."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    environment_id: str
    load_ms: float
    forward_ms: float
    held_ms: float
    environments: int = 1
    failed: int = 0


def is_warm_up(event: object) -> bool:
    """Whether an event is a ping: one of ours, or the plain event of a schedule."""
    if not isinstance(event, Mapping):
        return False
    scheduled = event.get("detail-type") == "Scheduled Event" and event.get("source") in SCHEDULERS
    return scheduled or "warm_up" in event


def handle_warm_up(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"warm_up": WarmUpAnswer}`, or `{"error"}` for a ping that is refused."""
    try:
        asked = WarmUp.model_validate(event.get("warm_up", {}))
        return {"warm_up": _warmed(application(), asked, context).model_dump()}
    except ValidationError as error:
        return refused_fields(error)
    except (WheelError, ModelLayerError) as error:
        return refused_for(error, application().telemetry)


@cache
def environment_id() -> str:
    """A name of this execution environment, drawn at its first ping: copies restored from one snapshot have different ones."""
    return secrets.token_hex(8)


def _warmed(parts: Application, asked: WarmUp, context: Any) -> WarmUpAnswer:
    model = parts.model()
    started = time.perf_counter()
    model.logits(model.hidden_states([model.end_of_text_id]))  # past the prefix cache, which would answer without a pass
    forward_ms = (time.perf_counter() - started) * 1000
    others = _others(parts, asked, context)
    answered = [answer["warm_up"]["environment_id"] for answer in others if answer is not None and "warm_up" in answer]
    return WarmUpAnswer(
        model_name=model.name,
        environment_id=environment_id(),
        load_ms=round(parts.catalog.load_ms(model.name), 1),
        forward_ms=round(forward_ms, 1),
        held_ms=round((time.perf_counter() - started) * 1000, 1),
        environments=len({environment_id(), *answered}),
        failed=len(others) - len(answered),
    )


def _others(parts: Application, asked: WarmUp, context: Any) -> list[dict[str, Any] | None]:
    """The answers of the other environments, while this one is held; none where only this one is to be warmed."""
    hold_ms = max(0, min(asked.held_ms, context.get_remaining_time_in_millis() - MARGIN_MS))
    if asked.concurrency == 1:
        time.sleep(hold_ms / 1000)
        return []
    return parts.itself().call_together({"warm_up": {"hold_ms": hold_ms}}, asked.concurrency - 1)
