"""Sessions, turns and jobs as flat records of text and integers, the same for every store.

Floats travel as JSON text, whose shortest decimal form Python reads back to the very same double.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypedDict

from handler.jobs.job import Job
from handler.wheel.session import Draw, Session, Turn, WheelSettings

Clock = Callable[[], datetime]


class SessionRecord(TypedDict):
    """A session's head. Token ids, settings and `began_under` are compact JSON text, times are ISO 8601 with their offset."""

    id: str
    model_name: str
    created_at: str
    last_accessed: str
    expires_at_epoch_s: int
    prompt_token_ids: str
    generated_token_ids: str
    settings: str
    starting_settings: str
    version: int
    looks: int
    began_under: str


def now_epoch_s(clock: Clock) -> int:
    """The whole second it is. What expires at an epoch second is gone from that second on."""
    return math.floor(clock().timestamp())


def session_record(session: Session) -> SessionRecord:
    """The record that `session_from` turns back into an equal session."""
    return SessionRecord(
        id=session.id,
        model_name=session.model_name,
        created_at=session.created_at.isoformat(),
        last_accessed=session.last_accessed.isoformat(),
        expires_at_epoch_s=session.expires_at_epoch_s,
        prompt_token_ids=_compact(session.prompt_token_ids),
        generated_token_ids=_compact(session.generated_token_ids),
        settings=_compact(asdict(session.settings)),
        starting_settings=_compact(asdict(session.starting_settings)),
        version=session.version,
        looks=session.looks,
        began_under=_compact(session.began_under),
    )


def session_from(record: SessionRecord) -> Session:
    """The session a record was made of."""
    began_under = json.loads(record["began_under"])
    return Session(
        id=record["id"],
        model_name=record["model_name"],
        created_at=datetime.fromisoformat(record["created_at"]),
        last_accessed=datetime.fromisoformat(record["last_accessed"]),
        expires_at_epoch_s=record["expires_at_epoch_s"],
        prompt_token_ids=tuple(json.loads(record["prompt_token_ids"])),
        generated_token_ids=tuple(json.loads(record["generated_token_ids"])),
        settings=WheelSettings(**json.loads(record["settings"])),
        starting_settings=WheelSettings(**json.loads(record["starting_settings"])),
        version=record["version"],
        looks=record["looks"],
        began_under=None if began_under is None else tuple(began_under),
    )


def turn_text(turn: Turn) -> str:
    """A turn as compact JSON."""
    return _compact(asdict(turn) | {"selected_at": turn.selected_at.isoformat()})


def turn_from(text: str) -> Turn:
    """The turn a text was made of."""
    fields: dict[str, Any] = json.loads(text)
    draw = fields.pop("draw")
    return Turn(
        **fields
        | {
            "settings": WheelSettings(**fields["settings"]),
            "selected_at": datetime.fromisoformat(fields["selected_at"]),
            "draw": None if draw is None else Draw(**draw),
        }
    )


def job_record(job: Job) -> dict[str, str | int | None]:
    """The record that `job_from` turns back into an equal job. The time is ISO 8601 with its offset, a flag is 0 or 1."""
    plain = {"created_at": job.created_at.isoformat(), "enqueued": int(job.enqueued), "cancelled": int(job.cancelled)}
    return asdict(job) | plain


def job_from(record: Mapping[str, Any]) -> Job:
    """The job a record was made of. What the record has beside a job's fields is left out, and what it lacks is None."""
    values: dict[str, Any] = {field.name: record.get(field.name) for field in fields(Job)}
    values["created_at"] = datetime.fromisoformat(values["created_at"])
    values["enqueued"], values["cancelled"] = bool(values["enqueued"]), bool(values["cancelled"])
    return Job(**values)


def _compact(value: Sequence[int | str] | dict[str, Any] | None) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
