"""What a worker tells of its run, a second's worth at a time: a tiny model makes many steps in that."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from handler.lab.lease import Lease
from handler.lab.run import Advance, Clock, Point
from handler.wheel.errors import StoreUnavailableError
from model_layer.constitution.plan import Progress
from model_layer.constitution.watch import Activity

EVERY = timedelta(seconds=1)


class DivergedError(Exception):
    """Raise when a loss is no number any more: what comes after it is none either."""


class Telling:
    """Collects what is told, and sends it when it is time. What the store could not take is sent with what comes next."""

    def __init__(self, lease: Lease, *, clock: Clock, report: Callable[[Exception], None]) -> None:
        """`report` hears of what could not be sent yet."""
        self._lease = lease
        self._clock = clock
        self._report = report
        self._pending = Advance()
        self._sent_at = clock()
        self._send_next = False

    def activity(self, activity: Activity) -> None:
        """Tell at once what is done from now on. Raises LeaseLostError."""
        self._pending = replace(self._pending, activity=activity)
        self._try_to_send()

    def progress(self, progress: Progress) -> None:
        """Tell of a step. Raises LeaseLostError, DivergedError."""
        if not math.isfinite(progress.loss):
            raise DivergedError
        self._lease.check()
        point = Point(progress.phase, progress.step, progress.loss, progress.margin)
        points = (*self._pending.points, point)
        self._pending = replace(self._pending, step=point.step, steps=progress.steps, eta_s=progress.eta_s, points=points)
        if self._send_next or points[0].phase != point.phase or self._clock() - self._sent_at >= EVERY:
            self._try_to_send()

    def kept(self, key: str) -> None:
        """Tell where the work is that was kept. Raises LeaseLostError, StoreUnavailableError."""
        self._pending = replace(self._pending, files=key)
        self.send()
        self._send_next = True  # the step that the files end with is told after they are kept, and by no later worker

    def send(self) -> None:
        """Send what is left. Raises as `kept` does."""
        self._sent_at, self._send_next = self._clock(), False
        self._lease.advance(self._pending)
        self._pending = Advance()

    def _try_to_send(self) -> None:
        try:
            self.send()
        except StoreUnavailableError as error:
            self._report(error)
