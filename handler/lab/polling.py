"""A worker of this machine: it asks the store for runs that wait, the oldest first, until it is told to stop."""

import threading
from collections.abc import Callable

from handler.lab.run import Clock, LabStore
from handler.lab.worker import LabWorker, Outcome
from handler.wheel.errors import StoreUnavailableError

POLL_EVERY_S = 1.0


class Polling:
    """Works off what waits, one run at a time."""

    def __init__(
        self, store: LabStore, worker: LabWorker, *, clock: Clock, stopping: threading.Event, report: Callable[[Exception], None]
    ) -> None:
        """Once `stopping` is set, the run at hand is kept and released. `report` hears when the store does not answer."""
        self._store = store
        self._worker = worker
        self._clock = clock
        self._stopping = stopping
        self._report = report

    def work(self, *, once: bool, ended: Callable[[str, Outcome], None]) -> None:
        """Work until stopped, or, with `once`, until nothing waits. `ended` hears of each run, by its model's name."""
        while not self._stopping.is_set():
            is_idle = not self._work_on_oldest(ended)
            if is_idle and once:
                return
            if is_idle:
                self._stopping.wait(POLL_EVERY_S)

    def _work_on_oldest(self, ended: Callable[[str, Outcome], None]) -> bool:
        """Whether there was work."""
        try:
            waiting = [run for run in self._store.all() if run.waits_at(self._clock())]
            if not waiting:
                return False
            outcome = self._worker.work(waiting[-1].id, seconds_left=self._seconds_left)
        except StoreUnavailableError as error:
            self._report(error)
            return False
        ended(waiting[-1].model_name, outcome)
        return outcome != "not_mine"

    def _seconds_left(self) -> float:
        return 0.0 if self._stopping.is_set() else float("inf")
