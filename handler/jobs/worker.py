"""Works off what the queue delivers: tasks of any jobs together, in few forward passes, each result kept once.

    delivered ─ opened ─ run, many in a pass ─ kept in the store, unless there before ─ finished: the message may go

A worker that dies anywhere on this way leaves messages that are delivered again. What was kept is then found done.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from handler.api.contracts.precision import PrecisionBody
from handler.jobs.answering import Answer, answer_all
from handler.jobs.job import Delivery, Job, JobStore, TaskResult
from handler.jobs.opening import Opening, Report, by_job
from handler.jobs.parts import Parts
from handler.jobs.result import RequestResult
from handler.jobs.task import Task
from handler.wheel.errors import GivenUpError, InvalidRequestError, JobCancelledError, JobNotFoundError, StoreUnavailableError
from model_layer.catalog import ModelCatalog

KEEP_EVERY_S = 0.5  # results wait for others this long: each keep is a transaction
ATTEMPTS_ALONE = 3  # that a worker did not survive, or had no time for
MOST_RECEIVES = 20  # of a message, before its queue makes it a dead letter: a task must not die of its neighbours' deaths


def always() -> bool:
    """Go on to the end."""
    return True


class Worker:
    """Runs tasks. Safe to run in many processes at once, on the same queue and store."""

    def __init__(self, jobs: JobStore, catalog: ModelCatalog, opening: Opening, parts: Parts, *, report: Report) -> None:
        """`report` hears of errors that keep a task from its result."""
        self._jobs = jobs
        self._catalog = catalog
        self._opening = opening
        self._parts = parts
        self._report = report

    def work(self, deliveries: Sequence[Delivery], *, going_on: Callable[[], bool] = always) -> Iterator[list[Delivery]]:
        """The deliveries that are finished, some after each forward pass; the others must be delivered again.

        Asks `going_on` after each pass, and stops when it says no. Raises StoreUnavailableError.
        """
        tasks: list[Task] = []
        for job_id, by_task in by_job(deliveries).items():
            try:
                opened = self._opening.open(job_id, by_task)
            except StoreUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - of this job alone, whose messages come again
                self._report(error)
                continue
            yield opened.finished
            tasks += opened.tasks
        for group in _groups(tasks):
            if going_on():
                yield from self._run(group, going_on)
        for task in tasks:
            if task.is_suspect and going_on():
                yield from self._run_alone(task, going_on)

    def _run_alone(self, task: Task, going_on: Callable[[], bool]) -> Iterator[list[Delivery]]:
        """Run a task that its workers may have died of, unless it was the one that ran alone when they did."""
        with suppress(JobNotFoundError, JobCancelledError):
            if self._jobs.begin_alone(task.job.id, task.index) > ATTEMPTS_ALONE:
                task.give_up(GivenUpError())
                yield self._keep([task])
            else:
                yield from self._run([task], going_on)

    def _run(self, tasks: Sequence[Task], going_on: Callable[[], bool]) -> Iterator[list[Delivery]]:
        """Run tasks of one model."""
        model = self._catalog.get(tasks[0].job.model_name)
        requests = {(task, number): request for task in tasks for number, request in task.requests.items()}
        unkept = {task for task in tasks if task.is_complete}
        kept_at = time.monotonic()
        for answers in answer_all(model, requests):
            for (task, number), answer in answers:
                self._take(task, number, answer)
            unkept |= {task for (task, _), _ in answers if task.is_complete}
            if not going_on():
                break
            if time.monotonic() - kept_at > KEEP_EVERY_S:
                yield self._keep(unkept)
                unkept, kept_at = set(), time.monotonic()
                if self._all_cancelled(tasks):
                    break
        yield self._keep(unkept)

    def _take(self, task: Task, number: int, answer: Answer) -> None:
        """Give a task an answer. An error is a result for one line of many; a request that is a task of its own comes again."""
        if answer.error is not None:
            self._report(answer.error)
            if task.job.source is None and task.receives == 1:
                return
            task.given_up = task.job.source is None
        precision = PrecisionBody.of(self._catalog.manifest(task.job.model_name))
        task.results[number] = RequestResult.of(number, task.requests[number], answer, precision)

    def _all_cancelled(self, tasks: Sequence[Task]) -> bool:
        return all(self._is_gone(job_id) for job_id in {task.job.id for task in tasks})

    def _is_gone(self, job_id: str) -> bool:
        try:
            return self._jobs.load(job_id).cancelled
        except JobNotFoundError:
            return True

    def _keep(self, tasks: Iterable[Task]) -> list[Delivery]:
        """The deliveries that are finished: those of the tasks, whose results are kept from now on, if they were not given up."""
        by_job: dict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_job[task.job.id].append(task)
        for of_job in by_job.values():
            self._keep_results(of_job[0].job, of_job)
        return [delivery for of_job in by_job.values() for task in of_job for delivery in task.finished]

    def _keep_results(self, job: Job, tasks: Sequence[Task]) -> None:
        with suppress(JobNotFoundError, JobCancelledError):  # nobody waits for them any more
            try:
                self._jobs.keep(job.id, [self._result(task) for task in tasks])
                if job.source is not None:
                    self._parts.finish_if_complete(self._jobs.load(job.id))
            except InvalidRequestError as error:  # the place for the results is closed, and never opens
                self._report(error)
                self._jobs.cancel(job.id)

    def _result(self, task: Task) -> TaskResult:
        text = task.text()
        return task.counted(text if task.job.source is None else self._parts.write(task.job, task.index, text))


def _groups(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Tasks that run together: those of one model that are under no suspicion. A part of a file fills its passes by itself."""
    by_model: dict[tuple[str, str, int], list[Task]] = defaultdict(list)
    for task in tasks:
        if not task.is_suspect:
            own = ("", 0) if task.job.source is None else (task.job.id, task.index)
            by_model[(task.job.model_name, *own)].append(task)
    yield from by_model.values()
