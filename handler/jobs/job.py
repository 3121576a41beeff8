"""A job, as plain values, and the protocols of its store and its queue.

A job is divided into tasks, the units of the queue's work: one request each where the caller sent the requests, a range of lines
where they lie in S3. The queue may deliver a message often, late and out of order; the store keeps the first result of each
task, so that what is delivered twice is done once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

State = Literal["queued", "running", "completed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """The head of a job; its tasks and results are kept beside it.

    `total`, `done` and `failed` count requests; `total` is None until a source in S3 has been divided. `seed` is drawn once
    for all requests that bring none; it also tells the job from another one that had or will have its id. `fingerprint` is the
    hash of the request that made the job. `source` is the file that its requests come from, in that `version`, and `output`
    the folder for their results.
    """

    id: str
    model_name: str
    created_at: datetime
    expires_at_epoch_s: int
    seed: str
    fingerprint: str = ""
    name: str | None = None
    source: str | None = None
    version: str | None = None
    output: str | None = None
    total: int | None = None
    done: int = 0
    failed: int = 0
    enqueued: bool = False
    cancelled: bool = False

    @property
    def folder(self) -> str | None:
        """Where the files of its results lie: below `output`, and below nothing of an earlier job of the same id."""
        return None if self.output is None else f"{self.output}{self.id}-{self.seed}/"

    @property
    def is_complete(self) -> bool:
        """Whether every request has its result."""
        return self.total is not None and self.done + self.failed >= self.total

    @property
    def state(self) -> State:
        """Where the job is."""
        if self.cancelled:
            return "cancelled"
        if self.is_complete:
            return "completed"
        return "running" if self.done + self.failed else "queued"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task: JSON text, and how many of its requests were answered and how many could not be.

    A task that failed too often is `given_up`: it has its result, and its message is left to become a dead letter.
    """

    index: int
    body: str
    done: int = 1
    failed: int = 0
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What the queue carries: a task's name, and none of its text. `index` None asks to divide the job's source into tasks."""

    job_id: str
    index: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it was received for the `receives`-th time. `receipt` names this delivery to its queue.

    `message` is None when what was received is none of ours.
    """

    message: Message | None
    receives: int
    receipt: str


class JobExistsError(Exception):
    """Raise when the id of a new job is taken; the caller loads the job that has it."""


class JobStore(Protocol):
    """Where jobs live. Expired means gone, on every read and write, whatever the store still holds.

    Every method raises StoreUnavailableError when the store does not answer, and, but for `create` and `check`,
    JobNotFoundError when the job is not there; those that are given a job, also when another job has its id by now.
    """

    def create(self, job: Job, tasks: Sequence[str] = ()) -> None:
        """Keep a new job and its tasks, JSON texts that are numbered from 0. Raises JobExistsError.

        A create that failed half-way has made no job that can be loaded.
        """

    def load(self, job_id: str) -> Job:
        """The job's head."""

    def add_tasks(self, job_id: str, tasks: Mapping[int, str]) -> None:
        """Keep tasks by index. The same may be added again."""

    def begin(self, job: Job, *, total: int | None) -> None:
        """Note that all messages of the tasks that there are have been sent, and how many requests they have."""

    def tasks(self, job_id: str, indices: Collection[int]) -> dict[int, str]:
        """The tasks of these indices, as far as there are such."""

    def keep(self, job: Job, results: Sequence[TaskResult]) -> None:
        """Keep results of different tasks and count their requests, at once and once: a task that has a result keeps its first.

        Raises JobCancelledError, and then keeps nothing.
        """

    def kept(self, job_id: str, indices: Collection[int]) -> dict[int, bool]:
        """Which of these tasks have a result, and whether it is that the task was given up."""

    def begin_alone(self, job: Job, index: int) -> int:
        """Note that a task is about to be run alone; how often it was by now. Raises JobNotFoundError for no task, too."""

    def results(self, job_id: str, *, after: int = -1, limit: int) -> list[TaskResult]:
        """Up to `limit` results of tasks beyond `after`, by index."""

    def cancel(self, job_id: str) -> Job:
        """The job, from now on without new results. A job that is complete, or cancelled, stays as it is."""

    def forget(self, job_id: str) -> None:
        """Remove the job, its tasks and its results."""

    def check(self) -> None:
        """Do one cheap read, to tell whether the store answers."""


class JobQueue(Protocol):
    """Delivers each message at least once, in any order. Every method raises StoreUnavailableError when it does not answer.

    A delivery is leased: unless it is finished or extended in time, its message is delivered again. One that has been received
    as often as the queue allows, and is not finished, goes to the dead letters.
    """

    def send(self, messages: Sequence[Message]) -> None:
        """Queue the messages. When it raises, some may have been queued."""

    def receive(self, most: int, *, wait_s: float = 0) -> list[Delivery]:
        """Up to `most` messages, leased; none when none came within `wait_s`."""

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Begin the leases anew."""

    def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Remove the messages: they are done."""

    def release(self, deliveries: Sequence[Delivery], *, delay_s: int = 0) -> None:
        """End the leases: the messages come again after `delay_s`, or go to the dead letters."""

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """End the leases of what was not tried in earnest: it comes again at once. Where it can be, the receive is taken back."""
