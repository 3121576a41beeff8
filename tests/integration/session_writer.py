"""A process that commits turns to one session, for test_sqlite_concurrency: PATH SESSION_ID FIRST_TOKEN TURNS [--keyed].

It prints the token of each commit that the store acknowledged. Keyed, all writers use the same keys, one for each turn.
"""

import sys
from pathlib import Path

from handler.stores.sqlite import SqliteSessionStore
from handler.wheel.errors import VersionConflictError
from handler.wheel.session import AnswerExistsError
from tests.contract.session_values import SetClock, appended, new_answer


def commit(store: SqliteSessionStore, session_id: str, token_id: int, key: str | None) -> bool:
    """Append a token, beginning again after each lost race. False when another writer has used the key."""
    while True:
        before = store.load(session_id)
        after, turn = appended(before, token_id)
        try:
            store.commit(before, after, turn=turn, answer=None if key is None else new_answer(session_id, key))
        except VersionConflictError:
            continue
        except AnswerExistsError:
            return False
        return True


def main(path: str, session_id: str, first_token: int, turns: int, *, keyed: bool) -> None:
    """Commit `turns` turns."""
    store = SqliteSessionStore(Path(path), clock=SetClock(), busy_timeout_s=60)
    for number in range(turns):
        if commit(store, session_id, first_token + number, f"{number}" if keyed else None):
            sys.stdout.write(f"{first_token + number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), keyed="--keyed" in sys.argv)
