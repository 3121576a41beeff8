"""Waiting for the end of another worker's lease, where nobody polls."""

from collections.abc import Callable

from handler.lab.errors import RunNotFoundError
from handler.lab.run import Clock, LabStore

PAUSE_S = 1.0
MARGIN_S = 5.0


def lease_ends(store: LabStore, run_id: str, *, clock: Clock, pause: Callable[[float], object], lease_s: float) -> bool:
    """Whether the run can be leased, after a while at most: its worker is gone when it lets its lease end without renewing it.

    A lease that is renewed, released or taken over meanwhile has a worker that sees to the run. Raises StoreUnavailableError.
    """
    last_moment = clock().timestamp() + lease_s + MARGIN_S
    try:
        first = run = store.load(run_id)
        while not run.waits_at(clock()):
            if run.status != "running" or clock().timestamp() >= last_moment:
                return False
            pause(PAUSE_S)
            run = store.load(run_id)
            if (run.fence, run.leased_until_epoch_s) != (first.fence, first.leased_until_epoch_s):
                return False
    except RunNotFoundError:
        return False
    return True
