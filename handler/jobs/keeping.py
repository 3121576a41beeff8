"""The results of tasks on their way into the store, and jobs that are ended because theirs cannot get there."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from handler.api.limits import AnswerTooLongError
from handler.jobs.job import Delivery, Job, JobStore, TaskResult
from handler.jobs.parts import Parts
from handler.jobs.result import RequestResult
from handler.jobs.task import Task
from handler.wheel.errors import InvalidRequestError, JobCancelledError, JobNotFoundError

LONGEST_RESULT_BYTES = 390_000  # of a task: DynamoDB takes items of 400 KB


class Keeping:
    """Keeps what tasks gave."""

    def __init__(self, jobs: JobStore, parts: Parts, *, report: Callable[[Exception], None]) -> None:
        """`report` hears why a job was ended."""
        self._jobs = jobs
        self._parts = parts
        self._report = report

    def keep(self, tasks: Iterable[Task]) -> list[Delivery]:
        """The deliveries that are finished: those of the tasks, whose results are kept from now on, if they were not given up.

        Results of jobs that are gone are thrown away, and their tasks finished too. Raises StoreUnavailableError.
        """
        by_job: dict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_job[task.job.id].append(task)
        for of_job in by_job.values():
            self._keep(of_job[0].job, of_job)
        return [delivery for of_job in by_job.values() for task in of_job for delivery in task.finished]

    def end(self, job: Job, error: Exception) -> None:
        """End a job that cannot go on."""
        self._report(error)
        with suppress(JobNotFoundError):
            self._jobs.cancel(job.id)

    def is_in_vain(self, tasks: Iterable[Task]) -> bool:
        """Whether nobody waits for any of the tasks."""
        return all(self._is_gone(job_id) for job_id in {task.job.id for task in tasks})

    def _is_gone(self, job_id: str) -> bool:
        try:
            return self._jobs.load(job_id).cancelled
        except JobNotFoundError:
            return True

    def _keep(self, job: Job, tasks: Sequence[Task]) -> None:
        with suppress(JobNotFoundError, JobCancelledError):
            try:
                self._jobs.keep(job, [self._result(task) for task in tasks])
                if job.source is not None:
                    self._parts.finish_if_complete(self._jobs.load(job.id))
            except InvalidRequestError as error:  # the place for the results is closed
                self.end(job, error)

    def _result(self, task: Task) -> TaskResult:
        lines = task.lines()
        if task.job.source is not None:
            return task.counted(self._parts.write(task.job, task.index, lines))
        if len(lines.encode()) > LONGEST_RESULT_BYTES:
            task.results[task.index] = RequestResult.failed(task.index, AnswerTooLongError(limit=LONGEST_RESULT_BYTES))
            lines = task.lines()
        return task.counted(lines)
