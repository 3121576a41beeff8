"""What routes are given: the application, the id of a session or job, the conditions of a write, the settings in a query."""

import hashlib
import uuid
from dataclasses import replace
from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query, Request

from handler.api.contracts.settings import SettingsFields
from handler.api.paths import route_path
from handler.wheel.errors import JobNotFoundError, SessionNotFoundError
from handler.wheel.ledger import Write
from handler.wiring import Application

VISIBLE_ASCII = r"^[\x21-\x7e]+$"
LONGEST_KEY = 255
SHORTEST_BEGINNING_KEY = 16

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_KEY,
        pattern=VISIBLE_ASCII,
        description="the same key gives the stored answer, and one change",
    ),
]
BeginningKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=SHORTEST_BEGINNING_KEY,
        max_length=LONGEST_KEY,
        pattern=VISIBLE_ASCII,
        description="the same key gives the same answer, and one session or job: take a random one, no one else may guess it",
    ),
]


async def application_of(request: Request) -> Application:
    """The application that this app serves."""
    return cast(Application, request.app.state.application)


async def session_id_of(session_id: Annotated[str, Path(description="a uuid")]) -> str:
    """The id in its one spelling. Raises SessionNotFoundError for what cannot be one."""
    if not is_uuid(session_id):
        raise SessionNotFoundError
    return session_id.lower()


async def job_id_of(job_id: Annotated[str, Path(description="a uuid")]) -> str:
    """The id in its one spelling. Raises JobNotFoundError for what cannot be one."""
    if not is_uuid(job_id):
        raise JobNotFoundError
    return job_id.lower()


async def root_path_of(request: Request) -> str:
    """What stands before every path, as the caller sees it."""
    return str(request.scope.get("root_path", "")).rstrip("/")


async def write_of(request: Request, idempotency_key: IdempotencyKey = None) -> Write:
    """The conditions of a write on a session."""
    return await _write(request, idempotency_key)


async def beginning_of(request: Request, idempotency_key: BeginningKey = None) -> Write:
    """The conditions of a write that begins a session or job. Its keys are everyone's, so they must be hard to guess."""
    return await _write(request, idempotency_key)


def at_version(write: Write, expected_version: int | None) -> Write:
    """The write, meant for a version."""
    return replace(write, expected_version=expected_version)


def is_uuid(text: str) -> bool:
    """Whether a text is a uuid, in small or capital letters."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


async def _write(request: Request, key: str | None) -> Write:
    """A key is kept as its hash only; the fingerprint covers method, path, query and body, which is in its canonical form."""
    if key is None:
        return Write()
    parts = (request.method.encode(), route_path(request.scope).encode(), request.scope["query_string"], await request.body())
    return Write(
        key_hash=hashlib.sha256(key.encode()).hexdigest(),
        fingerprint=hashlib.sha256(b"\n".join(parts)).hexdigest(),
    )


App = Annotated[Application, Depends(application_of)]
SessionId = Annotated[str, Depends(session_id_of)]
JobId = Annotated[str, Depends(job_id_of)]
RootPath = Annotated[str, Depends(root_path_of)]
WriteConditions = Annotated[Write, Depends(write_of)]
BeginConditions = Annotated[Write, Depends(beginning_of)]
ExpectedVersion = Annotated[int | None, Query(description="409 when the session is no longer at this version")]
SettingsQuery = Annotated[SettingsFields, Query()]
