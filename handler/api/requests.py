"""What routes are given: the application, a session's id, the conditions of a write, the settings in a query."""

import hashlib
import uuid
from dataclasses import replace
from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query, Request

from handler.api.contracts.settings import SettingsFields
from handler.api.paths import route_path
from handler.api.strict_json import canonical
from handler.wheel.errors import SessionNotFoundError
from handler.wheel.ledger import Write
from handler.wiring import Application

VISIBLE_ASCII = r"^[\x21-\x7e]{1,255}$"
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=VISIBLE_ASCII, description="the same key gives the stored answer, and one change"),
]


async def application_of(request: Request) -> Application:
    """The application that this app serves."""
    return cast(Application, request.app.state.application)


async def session_id_of(session_id: Annotated[str, Path(description="a uuid")]) -> str:
    """The id in its one spelling. Raises SessionNotFoundError for what cannot be one."""
    try:
        found = str(uuid.UUID(session_id))
    except ValueError:
        raise SessionNotFoundError from None
    if found != session_id.lower():
        raise SessionNotFoundError
    return found


async def write_of(request: Request, idempotency_key: IdempotencyKey = None) -> Write:
    """The conditions of a write. A key is kept as its hash only; the fingerprint covers method, path and body."""
    if idempotency_key is None:
        return Write()
    body = await request.body()
    parts = (request.method.encode(), route_path(request.scope).encode(), canonical(body) if body else b"")
    return Write(
        key_hash=hashlib.sha256(idempotency_key.encode()).hexdigest(),
        fingerprint=hashlib.sha256(b"\n".join(parts)).hexdigest(),
    )


def at_version(write: Write, expected_version: int | None) -> Write:
    """The write, meant for a version."""
    return replace(write, expected_version=expected_version)


App = Annotated[Application, Depends(application_of)]
SessionId = Annotated[str, Depends(session_id_of)]
WriteConditions = Annotated[Write, Depends(write_of)]
SettingsQuery = Annotated[SettingsFields, Query()]
