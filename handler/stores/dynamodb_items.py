"""The items of the sessions table: one partition for a session, its turns and its answers.

| pk             | sk              | what                                                             |
|----------------|-----------------|------------------------------------------------------------------|
| SESSION#<id>   | HEAD            | the session                                                      |
| SESSION#<id>   | TURN#000012     | a turn, as JSON text; beyond the head's tokens it is undone      |
| SESSION#<id>   | ANSWER#<hash>   | the answer to a request that changed the session                 |
| ANSWER#<hash>  | ANSWER          | the answer that made a session: spread over partitions           |

`expires_at_epoch_s` is the table's TTL attribute. DynamoDB removes items days late, so every read and condition looks at it too.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from handler.stores.codec import SessionRecord, session_from, session_record, turn_from, turn_text
from handler.wheel.session import NEW_SESSIONS_SCOPE, Session, StoredAnswer, Turn

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Item = dict[str, "AttributeValueTypeDef"]
FoundItem = Mapping[str, "AttributeValueTypeDef"]

OUTLIVES_SESSION: Final = "outlives_session"
"""The attribute of what stays in a session's partition when the session is deleted."""


def head_key(session_id: str) -> Item:
    """The key of a session's head."""
    return _texts(pk=f"SESSION#{session_id}", sk="HEAD")


def turn_key(session_id: str, index: int) -> Item:
    """The key of a turn; keys sort as their indices do."""
    return _texts(pk=f"SESSION#{session_id}", sk=f"TURN#{index:06d}")


def answer_key(scope: str, key_hash: str) -> Item:
    """The key of the answer to an idempotency key."""
    if scope == NEW_SESSIONS_SCOPE:
        return _texts(pk=f"ANSWER#{key_hash}", sk="ANSWER")
    return _texts(pk=f"SESSION#{scope}", sk=f"ANSWER#{key_hash}")


def head_item(session: Session) -> Item:
    """The item that `session_of` turns back into an equal session."""
    return {
        **head_key(session.id),
        **{name: attribute(cast(str | int, value)) for name, value in session_record(session).items()},
    }


def session_of(item: FoundItem) -> Session:
    """The session of a head item."""
    return session_from(cast(SessionRecord, record_of(item)))


def turn_item(session_id: str, turn: Turn, *, expires_at_epoch_s: int) -> Item:
    """The item that `turn_of` turns back into an equal turn."""
    return {
        **turn_key(session_id, turn.index),
        "turn": attribute(turn_text(turn)),
        "expires_at_epoch_s": attribute(expires_at_epoch_s),
    }


def turn_of(item: FoundItem) -> Turn:
    """The turn of a turn item."""
    return turn_from(item["turn"]["S"])


def answer_item(answer: StoredAnswer, *, outlives_session: bool = False) -> Item:
    """The item that `answer_of` turns back into an equal answer. The answer to a delete outlives its session."""
    return {
        **answer_key(answer.scope, answer.key_hash),
        **_texts(scope=answer.scope, key_hash=answer.key_hash, fingerprint=answer.fingerprint, body=answer.body),
        "expires_at_epoch_s": attribute(answer.expires_at_epoch_s),
        **({OUTLIVES_SESSION: attribute(1)} if outlives_session else {}),
    }


def answer_of(item: FoundItem) -> StoredAnswer:
    """The answer of an answer item."""
    texts = {name: item[name]["S"] for name in ("scope", "key_hash", "fingerprint", "body")}
    return StoredAnswer(**texts, expires_at_epoch_s=int(item["expires_at_epoch_s"]["N"]))


def is_live(item: FoundItem, now: int) -> bool:
    """Whether the item is there (a missing one is empty) and has not expired."""
    return bool(item) and int(item["expires_at_epoch_s"]["N"]) > now


def record_of(item: FoundItem) -> dict[str, str | int]:
    """The texts and integers of an item, its key among them."""
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def attribute(value: str | int) -> "AttributeValueTypeDef":
    """A text or an integer as DynamoDB takes it."""
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _texts(**texts: str) -> Item:
    return {name: attribute(text) for name, text in texts.items()}
