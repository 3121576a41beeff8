"""A worker's hold on a run. All that it writes of the run goes through here, under its fence."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from handler.lab.errors import LeaseLostError
from handler.lab.run import Advance, Clock, LabRun, LabStore
from handler.wheel.errors import StoreUnavailableError

RENEWALS = 3  # in the time of a lease: two may fail


class Lease:
    """A lease that a thread renews within the `with` block, whatever the worker is busy with.

    Every method raises LeaseLostError once the lease is another's, and StoreUnavailableError.
    """

    def __init__(
        self, store: LabStore, run: LabRun, *, clock: Clock, lease_s: float, report: Callable[[Exception], None]
    ) -> None:
        """`run` is what the store gave with the lease. `report` hears of renewals that failed."""
        self.run = run
        self._store = store
        self._clock = clock
        self._lease_s = lease_s
        self._report = report
        self._is_over, self._is_lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def check(self) -> None:
        """Nothing, as long as the lease is not known to be lost."""
        if self._is_lost.is_set():
            raise LeaseLostError

    def advance(self, told: Advance) -> None:
        """Tell, and renew."""
        self.check()
        self._store.advance(self.run.id, self.run.fence, told, until_epoch_s=self._clock().timestamp() + self._lease_s)

    def release(self) -> None:
        """Let the run go, for another worker to go on."""
        self._store.release(self.run.id, self.run.fence)

    def succeed(self, result: str) -> None:
        """End the run with its model."""
        self._store.succeed(self.run.id, self.run.fence, result)

    def fail(self, problem: str) -> None:
        """End the run with the code of a problem."""
        self._store.fail(self.run.id, self.run.fence, problem)

    def _renew(self) -> None:
        while not self._is_over.wait(self._lease_s / RENEWALS):
            try:
                self.advance(Advance())
            except LeaseLostError:
                self._is_lost.set()
                return
            except StoreUnavailableError as error:
                self._report(error)
