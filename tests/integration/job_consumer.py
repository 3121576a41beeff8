"""`python -m tests.integration.job_consumer DATA_FOLDER MODEL_FOLDER` works jobs off, slowly: it can be killed anywhere."""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handler.jobs import background
from handler.jobs.job import Delivery
from handler.settings import Settings
from handler.stores.sqlite_queue import SqliteJobQueue
from handler.wiring import build, utc_now

LEASE_S = 2


class SlowQueue(SqliteJobQueue):
    """Waits a little before it finishes: what was kept is often not yet finished when the process dies."""

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Finish, later."""
        time.sleep(random.uniform(0, 0.1))
        super().finish(deliveries)


def main(data_folder: Path, model_folder: str) -> None:
    """Work until nothing comes for as long as leases last."""
    application = build(Settings(model=model_folder, models_folders=(), data_folder=data_folder, threads=1))
    model = application.model()
    advance = model.advance

    def slow(batch: Any) -> Any:
        time.sleep(0.01)
        return advance(batch)

    model.advance = slow  # type: ignore[method-assign] # this process only
    background.EXTEND_EVERY_S = 1  # the lease is short
    background.MOST_AT_ONCE = 16  # so that both consumers have work
    queue = SlowQueue(data_folder / "queue.sqlite3", clock=utc_now, lease_s=LEASE_S, max_receives=1000)
    worker = background.BackgroundWorker(queue, application.worker, report=lambda _: None, worked=lambda *_: None)
    while worker.work_once(wait_s=2 * LEASE_S):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
