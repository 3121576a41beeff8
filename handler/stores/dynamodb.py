"""Sessions in one DynamoDB table: each change of a session is one transaction, conditioned on its version and its expiry.

Two spins at version 7 meet like this, and one turn comes of it:

    A: load (7) ........ put head 8 if version = 7, put turn ... done
    B: load (7) ... put head 8 if version = 7, put turn ........ refused as a whole, VersionConflictError(8)
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import boto3.session
from botocore.config import Config

from handler.stores.codec import Clock, now_epoch_s
from handler.stores.dynamodb_items import (
    OUTLIVES_SESSION,
    FoundItem,
    Item,
    answer_item,
    answer_key,
    answer_of,
    attribute,
    head_item,
    head_key,
    is_live,
    session_of,
    turn_item,
    turn_key,
    turn_of,
)
from handler.stores.dynamodb_table import ConditionsFailedError, DynamoDbTable
from handler.wheel.errors import SessionNotFoundError, VersionConflictError, WheelError
from handler.wheel.session import AnswerExistsError, Session, StoredAnswer, Turn

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_IS_NEW = "attribute_not_exists(pk)"
_IS_LIVE = "expires_at_epoch_s > :now"
_IS_UNCHANGED = f"version = :version AND looks = :looks AND {_IS_LIVE}"
_IS_FREE = "attribute_not_exists(pk) OR expires_at_epoch_s <= :now"


def make_client() -> "DynamoDBClient":
    """A client that gives up in time: its three attempts of at most 3 s end before a function or a gateway does."""
    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
    # A session of its own: making clients from boto3's default session is not thread-safe.
    return boto3.session.Session().client("dynamodb", config=config)


def create_table(client: "DynamoDBClient", name: str) -> None:
    """Make the sessions table, for tests and local work; the deployed one is in template.yaml."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at_epoch_s"})


class DynamoDbSessionStore:
    """A `SessionStore` in a table with the keys `pk` and `sk` and the TTL attribute `expires_at_epoch_s`."""

    def __init__(
        self, table_name: str, *, clock: Clock, client: "DynamoDBClient | None" = None, max_age_s: int = 7 * 86_400
    ) -> None:
        """`max_age_s` is how long a session can live at most: its turns stay that long. A client is made on first use."""
        self._name = table_name
        self._table = DynamoDbTable(table_name, connect=make_client if client is None else lambda: client)
        self._clock = clock
        self._max_age_s = max_age_s

    def create(self, session: Session, turns: Sequence[Turn] = (), answer: StoredAnswer | None = None) -> None:
        """Keep a new session. A transaction is too small for a fork's turns: they come first and count from the head on.

        When the head is refused, they lie unreachable until they expire.
        """
        items = [self._turn_item(session, turn) for turn in turns]
        self._table.write_all([{"PutRequest": {"Item": item}} for item in items])
        head: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._name,
                "Item": head_item(session),
                "ConditionExpression": _IS_NEW,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        self._apply({"head": head}, answer)

    def load(self, session_id: str) -> Session:
        """The session's head."""
        item = self._table.get(head_key(session_id))
        if not is_live(item, self._now()):
            raise SessionNotFoundError
        return session_of(item)

    def turns(self, session_id: str, *, start: int, stop: int) -> list[Turn]:
        """Turns with start <= index < stop. The items of undone turns lie beyond the head's tokens and are not read."""
        first, last = max(start, 0), min(stop, len(self.load(session_id).generated_token_ids)) - 1
        if first > last:
            return []
        items = self._table.between(turn_key(session_id, first), turn_key(session_id, last))
        return [turn_of(item) for item in items]

    def commit(self, before: Session, after: Session, *, turn: Turn | None = None, answer: StoredAnswer | None = None) -> None:
        """Put `after` in the place of `before`. The turn replaces one that was undone; the head's condition guards it."""
        head: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._name,
                "Item": head_item(after),
                "ConditionExpression": _IS_UNCHANGED,
                "ExpressionAttributeValues": {
                    ":version": attribute(before.version),
                    ":looks": attribute(before.looks),
                    ":now": attribute(self._now()),
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        self._apply({"head": head} if turn is None else {"head": head, "turn": self._put_turn(after, turn)}, answer)

    def delete(self, session_id: str, *, answer: StoredAnswer | None = None) -> None:
        """Forget the session: first its head and what began it, which makes the rest unreachable, then the rest."""
        try:
            self._forget_head(session_id, answer)
        except SessionNotFoundError:
            self._forget_rest(session_id)  # of an earlier delete that failed half-way
            raise
        self._forget_rest(session_id)

    def find_answer(self, scope: str, key_hash: str) -> StoredAnswer | None:
        """The live answer kept for an idempotency key."""
        item = self._table.get(answer_key(scope, key_hash))
        return answer_of(item) if is_live(item, self._now()) else None

    def check(self) -> None:
        """Read one item that need not be there."""
        self._table.get(head_key("check"))

    def _forget_head(self, session_id: str, answer: StoredAnswer | None) -> None:
        head: TransactWriteItemTypeDef = {
            "Delete": {
                "TableName": self._name,
                "Key": head_key(session_id),
                "ConditionExpression": _IS_LIVE,
                "ExpressionAttributeValues": {":now": attribute(self._now())},
            }
        }
        writes: dict[str, TransactWriteItemTypeDef] = {"head": head}
        found = self._table.get(head_key(session_id))
        if found and (began_under := session_of(found).began_under) is not None:
            writes["beginning"] = {"Delete": {"TableName": self._name, "Key": answer_key(*began_under)}}
        self._apply(writes, answer, outlives_session=True)

    def _forget_rest(self, session_id: str) -> None:
        keys = self._table.keys(head_key(session_id)["pk"], without=OUTLIVES_SESSION)
        self._table.write_all([{"DeleteRequest": {"Key": key}} for key in keys])

    def _apply(
        self, writes: "Mapping[str, TransactWriteItemTypeDef]", answer: StoredAnswer | None, *, outlives_session: bool = False
    ) -> None:
        """Do the writes, the head's among them, and put the answer, in one transaction."""
        put = {} if answer is None else {"answer": self._put_answer(answer_item(answer, outlives_session=outlives_session))}
        try:
            self._table.transact({**writes, **put})
        except ConditionsFailedError as error:
            raise self._refusal(error.found) from error

    def _refusal(self, found: Mapping[str, FoundItem]) -> WheelError | AnswerExistsError:
        if "answer" in found:
            return AnswerExistsError()
        head = found["head"]
        if not is_live(head, self._now()):
            return SessionNotFoundError()
        return VersionConflictError(current_version=int(head["version"]["N"]))

    def _put_turn(self, session: Session, turn: Turn) -> "TransactWriteItemTypeDef":
        return {"Put": {"TableName": self._name, "Item": self._turn_item(session, turn)}}

    def _turn_item(self, session: Session, turn: Turn) -> Item:
        oldest = int(session.created_at.timestamp()) + self._max_age_s
        return turn_item(session.id, turn, expires_at_epoch_s=max(oldest, session.expires_at_epoch_s))

    def _put_answer(self, item: Item) -> "TransactWriteItemTypeDef":
        return {
            "Put": {
                "TableName": self._name,
                "Item": item,
                "ConditionExpression": _IS_FREE,
                "ExpressionAttributeValues": {":now": attribute(self._now())},
            }
        }

    def _now(self) -> int:
        return now_epoch_s(self._clock)
