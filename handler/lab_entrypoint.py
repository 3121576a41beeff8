"""What Lambda calls to train: an event names a run, `{"lab_run": "<id>"}`. A run that time ran out for is called again.

Events may come twice, and come again after a failure: the store decides who works. What this raises, Lambda tries again.
"""

import time
from typing import Any

from handler.starting import nothing_collected

with nothing_collected():
    from handler.lab.waiting import lease_ends
    from handler.lab.worker import Outcome
    from handler.wiring import Application, application

MARGIN_S = 30.0  # for what follows the last piece of work: to send files, and to call


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"lab_run", "outcome"}`. Raises StoreUnavailableError."""
    parts, run_id = application(), str(event["lab_run"])
    parts.lab_worker().tidy()  # this environment's last invocation may have been killed
    outcome = _worked(parts, run_id, context)
    if outcome == "not_mine" and _is_abandoned(parts, run_id):
        outcome = _worked(parts, run_id, context)
    if outcome == "unfinished":
        parts.lab.call(run_id)
    return {"lab_run": run_id, "outcome": outcome}


def _worked(parts: Application, run_id: str, context: Any) -> Outcome:
    return parts.lab_worker().work(run_id, seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - MARGIN_S)


def _is_abandoned(parts: Application, run_id: str) -> bool:
    """Whether whoever has the run is gone: a killed function's event comes again before its lease has ended."""
    return lease_ends(parts.lab.store, run_id, clock=parts.clock, pause=time.sleep, lease_s=parts.settings.lab_lease_s)
