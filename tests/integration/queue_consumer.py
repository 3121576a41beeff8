"""A process that finishes messages one by one until none comes, for test_sqlite_queue: PATH SECONDS_AHEAD.

It prints the task of each message that it has finished. Its clock is ahead, so that the leases of those before it are over.
"""

import sys
from contextlib import closing
from pathlib import Path

from handler.stores.sqlite_queue import SqliteJobQueue
from tests.contract.queue_values import MovedClock


def main(path: str, ahead_s: float) -> None:
    """Consume the queue in the file."""
    with closing(SqliteJobQueue(Path(path), clock=MovedClock(ahead_s), busy_timeout_s=60)) as queue:
        while deliveries := queue.receive(10):
            for delivery in deliveries:
                assert delivery.message is not None
                queue.finish([delivery])
                sys.stdout.write(f"{delivery.message.index}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
