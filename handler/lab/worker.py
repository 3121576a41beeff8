"""Works on one training run: leases it, goes on from what was kept, keeps what it does, publishes what comes of it.

Whatever ends a worker, another one goes on from the last files that the store points to. A worker that lost its lease has
written nothing since: not to the store, which knows its fence no more, and not to files that anything points to.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from handler.lab.attempt import Announce, Attempt, Make
from handler.lab.errors import LeaseLostError, RunNotFoundError
from handler.lab.lease import Lease
from handler.lab.run import Clock, LabFiles, LabRun, LabStore
from handler.lab.telling import DivergedError, Telling
from handler.wheel.errors import StoreUnavailableError
from model_layer.constitution.errors import JudgeUnavailableError, NoProbeError, NothingToLearnError
from model_layer.constitution.plan import PLANS
from model_layer.constitution.watch import Watch
from model_layer.errors import BakeError, ModelLayerError, ModelNotFoundError, ModelNotLoadableError

Outcome = Literal["succeeded", "failed", "unfinished", "not_mine"]

MOST_LEASES = 12  # three hours of Lambda; a run that takes down whoever works on it must come to an end
PROBLEMS: Mapping[type[Exception], str] = {
    NothingToLearnError: "nothing_to_learn",
    NoProbeError: "no_probe",
    JudgeUnavailableError: "judge_unavailable",
    ModelNotFoundError: "model_not_found",
    ModelNotLoadableError: "model_not_loadable",
    BakeError: "bake_failed",
    DivergedError: "diverged",
    ModelLayerError: "training_failed",
}


def made(run: LabRun, base_folder: Path, work: Path, watch: Watch) -> Path | None:
    """The folder of the model of a run, or None when time ran out."""
    from model_layer.constitution.making import Making  # noqa: PLC0415 - only a worker that works needs it

    return Making(base_folder, PLANS[run.plan], name=run.model_name).run(work, watch)


def _not_announced(*_: object) -> None:
    """Nobody watches."""


class LabWorker:
    """Any number of these may be given the same run, in any number of processes: one of them works."""

    def __init__(
        self,
        store: LabStore,
        files: LabFiles,
        base_folder: Callable[[str], Path],
        *,
        clock: Clock,
        work_root: Path,
        lease_s: float,
        report: Callable[[Exception], None],
        make: Make = made,
        announce: Announce | None = None,
    ) -> None:
        """`base_folder` finds a model by name; `report` hears of what went wrong, `announce` of what is being done."""
        self._store = store
        self._files = files
        self._base_folder = base_folder
        self._clock = clock
        self._work_root = work_root
        self._lease_s = lease_s
        self._report = report
        self._make = make
        self._announce = announce or _not_announced

    def tidy(self) -> None:
        """Remove whatever lies in the working folder: for where no other worker can be using it."""
        shutil.rmtree(self._work_root, ignore_errors=True)

    def work(self, run_id: str, *, seconds_left: Callable[[], float]) -> Outcome:
        """Work on a run until it ends or time runs out. Raises StoreUnavailableError when it cannot be leased at all."""
        try:
            run = self._store.lease(run_id, until_epoch_s=self._clock().timestamp() + self._lease_s)
        except RunNotFoundError:
            return "not_mine"
        if run is None:
            return "not_mine"
        with Lease(self._store, run, clock=self._clock, lease_s=self._lease_s, report=self._report) as lease:
            try:
                return self._worked(lease, seconds_left)
            except LeaseLostError:
                return "not_mine"
            except StoreUnavailableError as error:
                self._report(error)
                return "unfinished"

    def _worked(self, lease: Lease, seconds_left: Callable[[], float]) -> Outcome:
        attempt = Attempt(
            lease,
            self._files,
            Telling(lease, clock=self._clock, report=self._report),
            work_root=self._work_root,
            announce=self._announce,
            report=self._report,
        )
        if lease.run.leases > MOST_LEASES:
            attempt.give_up("too_many_attempts")
            return "failed"
        try:
            return self._attempted(attempt, lease.run, seconds_left)
        finally:
            attempt.tidy()

    def _attempted(self, attempt: Attempt, run: LabRun, seconds_left: Callable[[], float]) -> Outcome:
        try:
            finished = attempt.make(self._make, self._base_folder(run.base), seconds_left=seconds_left)
        except (LeaseLostError, StoreUnavailableError):
            raise
        except OSError as error:  # a full disk, for one, which the next worker may not have
            self._report(error)
            attempt.pause()
            return "unfinished"
        except Exception as error:  # noqa: BLE001 - whatever it is, the same would come of the next attempt
            self._report(error)
            attempt.give_up(problem_of(error))
            return "failed"
        if finished is None:
            attempt.pause()
            return "unfinished"
        attempt.publish(finished)
        return "succeeded"


def problem_of(error: Exception) -> str:
    """The code of a problem; it holds nothing of the error's text."""
    return next((code for kind, code in PROBLEMS.items() if isinstance(error, kind)), "internal_error")
