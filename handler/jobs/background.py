"""Works off the queue from within a process that serves, so that jobs need nothing but `make run`."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from handler.jobs.job import Delivery, JobQueue
from handler.jobs.worker import Worker

MOST_AT_ONCE = 128  # messages: enough for full passes, few enough for what comes later to take its turn
EXTEND_EVERY_S = 5  # well within the queue's lease
LONGEST_DELAY_S = 60
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # while the store or the queue does not answer

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
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        pause_s = SHORTEST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self.work_once()
                pause_s = SHORTEST_PAUSE_S
            except Exception as error:  # noqa: BLE001 - whatever it is, the jobs that are handed in still wait for this thread
                self._report(error)
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def work_once(self, *, wait_s: float = 1) -> int:
        """Receive once and work it off; how many messages came. Raises StoreUnavailableError."""
        deliveries = self._queue.receive(MOST_AT_ONCE, wait_s=wait_s)
        started = time.perf_counter()
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
        """As if nothing had been when this worker ends, otherwise the later the oftener they failed."""
        if self._stopping.is_set():
            self._queue.put_back(left)
            return
        by_delay: dict[int, list[Delivery]] = defaultdict(list)
        for delivery in left:
            by_delay[min(2**delivery.receives, LONGEST_DELAY_S)].append(delivery)
        for delay_s, some in by_delay.items():
            self._queue.release(some, delay_s=delay_s)
