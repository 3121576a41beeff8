"""From delivered messages to tasks that can be run: what is done already, or gone, is sorted out here."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from handler.jobs.job import Delivery, Job, JobQueue, JobStore, Message
from handler.jobs.parts import Parts
from handler.jobs.reading import read_requests
from handler.jobs.task import MOST_RECEIVES, Task
from handler.settings import Settings
from handler.wheel.errors import InvalidRequestError, JobCancelledError, JobNotFoundError
from model_layer.catalog import ModelCatalog

Report = Callable[[Exception], None]
ByTask = Mapping[int | None, Sequence[Delivery]]


@dataclass(slots=True)
class Opened:
    """Deliveries that need nothing more, and tasks to run. What is in neither must be delivered again."""

    finished: list[Delivery] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)


class Opening:
    """Opens the tasks of one job at a time, and reads one task at a time."""

    def __init__(
        self, jobs: JobStore, catalog: ModelCatalog, queue: JobQueue, parts: Parts, limits: Settings, *, report: Report
    ) -> None:
        """`report` hears why a job was ended."""
        self._jobs = jobs
        self._catalog = catalog
        self._queue = queue
        self._parts = parts
        self._limits = limits
        self._report = report

    def open(self, job_id: str, by_task: ByTask) -> Opened:
        """The tasks of delivered messages, not yet read. A job that is gone or cancelled needs nothing more.

        Raises StoreUnavailableError.
        """
        try:
            job = self._jobs.load(job_id)
            return Opened(finished=all_of(by_task)) if job.cancelled else self._open(job, by_task)
        except (JobNotFoundError, JobCancelledError):
            return Opened(finished=all_of(by_task))
        except InvalidRequestError as error:  # the source cannot be read, and never will be
            self._report(error)
            self._jobs.cancel(job_id)
            return Opened(finished=all_of(by_task))

    def read(self, task: Task) -> None:
        """Read the requests of a task; those that are refused have their results at once.

        Raises StoreUnavailableError, SourceNotFoundError, ModelNotFoundError, ModelNotLoadableError.
        """
        model = self._catalog.get(task.job.model_name)
        lines = {task.index: task.text} if task.job.source is None else self._parts.lines(task.job, task.text)
        task.requests, refused = read_requests(lines, model, seed=task.job.seed, limits=self._limits)
        task.results |= refused

    def _open(self, job: Job, by_task: ByTask) -> Opened:
        opened = Opened()
        indices = {index for index in by_task if index is not None}
        if None in by_task:
            self._divide(job, by_task[None])
            opened.finished += by_task[None]
        kept = self._jobs.kept(job.id, indices)
        if kept and job.source is not None:
            self._parts.finish_if_complete(job)  # in case the worker that kept the last one died before it could
        opened.finished += [delivery for index, given_up in kept.items() if not given_up for delivery in by_task[index]]
        for index, text in self._jobs.tasks(job.id, indices - kept.keys()).items():
            opened.tasks.append(Task(by_task[index], job, index, text))
        return opened

    def _divide(self, job: Job, deliveries: Sequence[Delivery]) -> None:
        """Divide the source into tasks and queue them. Done twice, it gives the same tasks."""
        if max(delivery.receives for delivery in deliveries) >= MOST_RECEIVES:
            self._jobs.cancel(job.id)  # nobody would ever end it
        elif not job.enqueued:
            tasks, total = self._parts.divided(job)
            self._jobs.add_tasks(job.id, tasks)
            self._queue.send([Message(job.id, index) for index in tasks])
            self._jobs.begin(job, total=total)
        self._parts.finish_if_complete(self._jobs.load(job.id))  # it may be: its parts are worked off since they were sent


def by_job(deliveries: Sequence[Delivery]) -> Mapping[str, ByTask]:
    """The deliveries by job and task. What is no message of ours is left out."""
    jobs: dict[str, dict[int | None, list[Delivery]]] = defaultdict(lambda: defaultdict(list))
    for delivery in deliveries:
        if delivery.message is not None:
            jobs[delivery.message.job_id][delivery.message.index].append(delivery)
    return jobs


def all_of(by_task: ByTask) -> list[Delivery]:
    """The deliveries of all messages."""
    return [delivery for deliveries in by_task.values() for delivery in deliveries]
