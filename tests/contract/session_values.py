"""Sessions, turns and answers to keep, a clock to set, and both stores to keep them in."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3.session
from hypothesis import strategies as st
from moto import mock_aws

from handler.stores.codec import Clock
from handler.stores.dynamodb import DynamoDbSessionStore, create_table
from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.session import Draw, Session, SessionStore, StoredAnswer, Turn, WheelSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOON = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
IDLE_S = 3600
TABLE = "sessions"


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """The time it was set to."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)


@contextmanager
def sqlite_store(folder: Path, clock: Clock) -> Iterator[SessionStore]:
    """A store in a new SQLite file."""
    with closing(SqliteSessionStore(folder / f"{uuid4().hex}.db", clock=clock)) as store:
        yield store


@cache
def local_session() -> boto3.session.Session:
    """A boto3 session that no account stands behind."""
    return boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")


@contextmanager
def dynamodb_client() -> Iterator["DynamoDBClient"]:
    """A client of moto's DynamoDB, with the sessions table made."""
    with mock_aws():
        client = local_session().client("dynamodb")
        create_table(client, TABLE)
        yield client


@contextmanager
def dynamodb_store(_: Path, clock: Clock) -> Iterator[SessionStore]:
    """A store in a new table of moto's DynamoDB."""
    with dynamodb_client() as client:
        yield DynamoDbSessionStore(TABLE, clock=clock, client=client)


OpenStore = Callable[[Path, Clock], AbstractContextManager[SessionStore]]
STORES: tuple[OpenStore, ...] = (sqlite_store, dynamodb_store)


def new_session(*, now: datetime = NOON) -> Session:
    """A session with a prompt, good for an hour."""
    return Session(
        id=str(uuid4()),
        model_name="storybook",
        created_at=now,
        last_accessed=now,
        expires_at_epoch_s=int(now.timestamp()) + IDLE_S,
        prompt_token_ids=(7454, 2402, 257, 640),
    )


def new_turn(index: int, token_id: int) -> Turn:
    """A spun turn whose numbers follow from its index and token."""
    return Turn(
        index=index,
        token_id=token_id,
        probability=1 / (3 + token_id),
        model_probability=1 / (7 + token_id),
        rank=1 + token_id,
        category="above_threshold",
        settings=WheelSettings(temperature=1 + index / 10),
        selected_at=NOON + timedelta(seconds=index),
        draw=Draw(u=0.1, target_angle=36.0, slice_index=2, seed="class 4b"),
    )


def appended(before: Session, token_id: int) -> tuple[Session, Turn]:
    """The session one turn later, and the turn."""
    turn = new_turn(len(before.generated_token_ids), token_id)
    ids = (*before.generated_token_ids, token_id)
    return replace(before, generated_token_ids=ids, version=before.version + 1), turn


def undone(before: Session) -> Session:
    """The session without its last token."""
    return replace(before, generated_token_ids=before.generated_token_ids[:-1], version=before.version + 1)


def new_answer(scope: str, key_hash: str = "5f2c", *, body: str = '{"text": "Once"}', expires_in_s: int = 600) -> StoredAnswer:
    """An answer that expires some seconds after noon."""
    expires_at_epoch_s = int(NOON.timestamp()) + expires_in_s
    return StoredAnswer(scope=scope, key_hash=key_hash, fingerprint="9a", body=body, expires_at_epoch_s=expires_at_epoch_s)


finite = st.floats(allow_nan=False, allow_infinity=False)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=offsets).map(
    lambda time: time.replace(fold=0)  # without a meaning at a fixed offset
)
token_ids = st.lists(st.integers(0, 50_256), max_size=40).map(tuple)
wheel_settings = st.builds(
    WheelSettings,
    threshold=finite,
    temperature=finite,
    top_k=st.integers(0, 50_257),
    top_p=finite,
    min_p=finite,
    other_top_k=st.integers(0, 100),
)
sessions = st.builds(
    Session,
    id=st.uuids(version=4).map(str),
    model_name=st.sampled_from(["storybook", "gpt2"]),
    created_at=times,
    last_accessed=times,
    expires_at_epoch_s=st.integers(1, IDLE_S).map(int(NOON.timestamp()).__add__),
    prompt_token_ids=token_ids,
    generated_token_ids=token_ids,
    settings=wheel_settings,
    starting_settings=wheel_settings,
    version=st.integers(0, 10_000),
    looks=st.integers(0, 10_000),
    began_under=st.none() | st.tuples(st.text(max_size=20), st.text(max_size=20)),
)
draws = st.builds(Draw, u=finite, target_angle=finite, slice_index=st.integers(0, 128), seed=st.none() | st.text(max_size=20))
turns = st.builds(
    Turn,
    index=st.just(0),
    token_id=st.integers(0, 50_256),
    probability=finite,
    model_probability=finite,
    rank=st.integers(1, 50_257),
    category=st.sampled_from(["above_threshold", "other"]),
    settings=wheel_settings,
    selected_at=times,
    draw=st.none() | draws,
)
