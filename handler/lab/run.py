"""A training run of the lab, as plain values, and the protocols of its store and of the files that it leaves.

One worker at a time works on a run: it holds a lease, which it renews, and a fence, a number that grows with every lease
(Kleppmann 2016, "How to do distributed locking"). The store takes nothing from a worker whose fence is no longer the run's, and
files are written under names of their own, which count only once the store points to them: a worker that was thought dead and
goes on cannot spoil what its successor does.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from model_layer.constitution.plan import Phase

Clock = Callable[[], datetime]
"""The time, aware of its zone."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Status = Literal["queued", "running", "succeeded", "failed"]
Activity = Literal["waiting", "preparing", "training", "measuring", "done"]


@dataclass(frozen=True, slots=True)
class Point:
    """One step of the loss curve; `margin` is DPO's, in nats."""

    phase: Phase
    step: int
    loss: float
    margin: float | None


@dataclass(frozen=True, slots=True)
class LabRun:
    """A run. `model_name` is what its result is, or will be, called; `files` and `result` name what was kept last.

    `fence` grows by one with every lease, from `first_fence` on; `leased_until_epoch_s` is when the present one ends unless it
    is renewed. `files` is what the next worker goes on from, and None once the run has ended. `problem` is the code of what a
    failed run failed at.
    """

    id: str
    base: str
    plan: str
    model_name: str
    created_at: datetime
    fingerprint: str = ""
    status: Status = "queued"
    activity: Activity = "waiting"
    fence: int = 0
    leased_until_epoch_s: float = 0.0
    step: int = 0
    steps: int | None = None
    eta_s: float | None = None
    curve: tuple[Point, ...] = ()
    files: str | None = None
    result: str | None = None
    problem: str | None = None

    @property
    def leases(self) -> int:
        """How many leases there were."""
        return self.fence - first_fence(self.created_at)

    def waits_at(self, now: datetime) -> bool:
        """Whether it can be leased: nobody has begun with it, its worker let it go, or has not renewed its lease."""
        is_free = self.status == "running" and self.leased_until_epoch_s <= now.timestamp()
        return self.status == "queued" or is_free


def first_fence(created_at: datetime) -> int:
    """The fence of a new run, which is later than all that a removed run of the same id can have had."""
    return math.floor(created_at.timestamp())


@dataclass(frozen=True, slots=True)
class Advance:
    """What a worker tells of a run; what is None stays as it is.

    Of `points`, whose steps grow, those beyond the curve's last are added to it: what is told again, after a lost answer or by
    a worker that goes on from an earlier step, is there once.
    """

    activity: Activity | None = None
    step: int | None = None
    steps: int | None = None
    eta_s: float | None = None
    points: Sequence[Point] = ()
    files: str | None = None


class LabStore(Protocol):
    """Where runs live, until they are removed. Every method raises StoreUnavailableError when the store does not answer.

    Those that are given a fence raise LeaseLostError when it is not the run's, the run has ended, or is gone.
    """

    def create(self, run: LabRun) -> None:
        """Keep a new run. Raises RunExistsError when its id is taken."""

    def load(self, run_id: str) -> LabRun:
        """A run. Raises RunNotFoundError."""

    def all(self) -> list[LabRun]:
        """All runs, the newest first, without their curves."""

    def lease(self, run_id: str, *, until_epoch_s: float) -> LabRun | None:
        """The run, leased under a new fence: its status is running. None when another lease holds, or the run has ended.

        Raises RunNotFoundError.
        """

    def advance(self, run_id: str, fence: int, told: Advance, *, until_epoch_s: float) -> None:
        """Keep what a worker tells, and renew its lease."""

    def release(self, run_id: str, fence: int) -> None:
        """End the lease: the run is queued again, and waits."""

    def succeed(self, run_id: str, fence: int, result: str) -> None:
        """End the run with the files of its model: it is done."""

    def fail(self, run_id: str, fence: int, problem: str) -> None:
        """End the run with the code of a problem: it is done."""

    def remove(self, run_id: str) -> LabRun:
        """Remove a run, whoever works on it; what it was. Raises RunNotFoundError."""

    def check(self) -> None:
        """Do one cheap read, to tell whether the store answers."""


class LabFiles(Protocol):
    """Where the files of runs lie: folders that are there whole or not at all, and that never change.

    Raises StoreUnavailableError when the place does not answer, ValueError for a run's id or a name that is no plain one.
    """

    def keep(self, run_id: str, name: str, folder: Path) -> str:
        """Keep all files of a folder, with those of its folders, under a name of this run; the key to them.

        Raises FileExistsError when the run has used the name, and leaves what is there.
        """

    def fetch(self, key: str, to: Path) -> Path:
        """A folder with the files of a key: `to`, or where they lie already, which is only to be read.

        A `to` that exists is taken for what was fetched before. Raises FilesGoneError when there are none.
        """

    def read(self, key: str, name: str) -> bytes:
        """One file of a key, by its path below the folder. Raises FilesGoneError when there is none."""

    def link(self, key: str, name: str) -> str | None:
        """An address at which anybody can get one file for some minutes; None where there are no such addresses."""

    def drop(self, key: str) -> None:
        """Remove the files of a key, if there are any."""

    def drop_all(self, run_id: str, *, but: str | None = None) -> None:
        """Remove all files of a run, those of the key `but` excepted."""


def plain(name: str) -> str:
    """A run's id or a name of files, when it means itself wherever it stands. Raises ValueError."""
    if not _PLAIN.fullmatch(name):
        raise ValueError("a name of files is of letters, digits, '.', '_' and '-', and begins with a letter or a digit")
    return name


def parts_of(key: str) -> tuple[str, str]:
    """The run and the name in a key. Raises ValueError."""
    run_id, _, name = key.partition("/")
    return plain(run_id), plain(name)


class RunExistsError(Exception):
    """Raise when the id of a new run is taken; the caller loads the run that has it."""
