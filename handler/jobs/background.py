"""Works off the queue from within a process that serves, so that jobs need nothing but `make run`."""

import threading
import time
from collections.abc import Callable

from handler.jobs.job import Delivery, JobQueue
from handler.jobs.worker import Worker
from handler.wheel.errors import WheelError

MOST_AT_ONCE = 256  # messages: enough for full passes to the end of a long queue, few enough for others to take their share
EXTEND_EVERY_S = 10  # well within the queue's lease
LONGEST_DELAY_S = 60

Report = Callable[[Exception], None]
Told = Callable[[int, int, float], None]


class BackgroundWorker:
    """A thread that receives, works and finishes until it is stopped. What it leaves then is delivered again."""

    def __init__(self, queue: JobQueue, worker: Worker, *, report: Report, worked: Told) -> None:
        """`worked` hears of each batch: messages delivered, messages finished, milliseconds."""
        self._queue = queue
        self._worker = worker
        self._report = report
        self._worked = worked
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Finish the forward pass that is under way, keep its results, and end."""
        self._stopping.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.work_once()
            except WheelError as error:  # the store or the queue does not answer: it may again
                self._report(error)
                self._stopping.wait(2)

    def work_once(self, *, wait_s: float = 1) -> int:
        """Receive once and work it off; how many messages came. Raises StoreUnavailableError."""
        started = time.perf_counter()
        deliveries = self._queue.receive(MOST_AT_ONCE, wait_s=wait_s)
        if deliveries:
            left = self._worked_off(deliveries)
            self._worked(len(deliveries), len(deliveries) - len(left), (time.perf_counter() - started) * 1000)
            self._give_back(left)
        return len(deliveries)

    def _worked_off(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Those that could not be finished."""
        left = {delivery.receipt: delivery for delivery in deliveries}
        extended_at = time.monotonic()
        for finished in self._worker.work(deliveries, going_on=lambda: not self._stopping.is_set()):
            if finished:
                self._queue.finish(finished)
            for delivery in finished:
                del left[delivery.receipt]
            if left and time.monotonic() - extended_at > EXTEND_EVERY_S:
                self._queue.extend([*left.values()])
                extended_at = time.monotonic()
        return [*left.values()]

    def _give_back(self, left: list[Delivery]) -> None:
        """At once when this worker ends, otherwise the later the oftener they failed."""
        for delivery in left:
            delay_s = 0 if self._stopping.is_set() else min(2**delivery.receives, LONGEST_DELAY_S)
            self._queue.release([delivery], delay_s=delay_s)
