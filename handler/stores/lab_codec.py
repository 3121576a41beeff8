"""Training runs as flat records of text and numbers, and points of their curves as text, the same for every store.

Floats that nobody compares travel as JSON text, as in `codec`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from handler.lab.run import Advance, LabRun, Point

Value = str | int | float | None

ENDED: Mapping[str, Value] = {"activity": "done", "files": None, "eta_s": None, "leased_until_epoch_s": 0.0}
"""What every run that has ended has."""

RELEASED: Mapping[str, Value] = {"status": "queued", "activity": "waiting", "eta_s": None, "leased_until_epoch_s": 0.0}
"""What a run has whose worker let it go."""


def run_record(run: LabRun) -> dict[str, Value]:
    """The record that `run_from` turns back into an equal run, but for its curve. The time is ISO 8601 with its offset."""
    record = asdict(run) | {"created_at": run.created_at.isoformat(), "eta_s": float_text(run.eta_s)}
    del record["curve"]
    return record


def run_from(record: Mapping[str, Any], points: Iterable[str] = ()) -> LabRun:
    """The run a record was made of. What the record has beside a run's fields is left out, and what it lacks is None."""
    values: dict[str, Any] = {field.name: record.get(field.name) for field in fields(LabRun)}
    values["created_at"] = datetime.fromisoformat(values["created_at"])
    values["eta_s"] = None if values["eta_s"] is None else float(values["eta_s"])
    values["leased_until_epoch_s"] = float(values["leased_until_epoch_s"])
    return LabRun(**values | {"curve": tuple(map(point_from, points))})


def told_record(told: Advance) -> dict[str, str | int]:
    """What is told, as fields of a record: those that change."""
    record = {
        "activity": told.activity,
        "step": told.step,
        "steps": told.steps,
        "eta_s": float_text(told.eta_s),
        "files": told.files,
    }
    return {name: value for name, value in record.items() if value is not None}


def float_text(value: float | None) -> str | None:
    """A float as the shortest text that is read back to the very same."""
    return None if value is None else repr(value)


def point_text(point: Point) -> str:
    """A point as compact JSON."""
    return json.dumps([point.phase, point.step, point.loss, point.margin], separators=(",", ":"))


def point_from(text: str) -> Point:
    """The point a text was made of."""
    return Point(*json.loads(text))
