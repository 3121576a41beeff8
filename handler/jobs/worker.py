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
from handler.jobs.job import Delivery, JobStore
from handler.jobs.keeping import Keeping
from handler.jobs.opening import Opening, Report, by_job
from handler.jobs.result import RequestResult
from handler.jobs.task import MOST_RECEIVES, Task
from handler.wheel.errors import GivenUpError, InvalidRequestError, JobNotFoundError, StoreUnavailableError, WheelError
from model_layer.catalog import ModelCatalog
from model_layer.errors import ModelLayerError

KEEP_EVERY_S = 0.5  # results wait for others this long: each keep is a transaction
ATTEMPTS_ALONE = 3  # that a worker did not survive, or for which a whole invocation was too short


def always() -> bool:
    """Go on to the end."""
    return True


class Worker:
    """Runs tasks. Safe to run in many processes at once, on the same queue and store."""

    def __init__(self, jobs: JobStore, catalog: ModelCatalog, opening: Opening, keeping: Keeping, *, report: Report) -> None:
        """`report` hears of errors that keep a task from its result."""
        self._jobs = jobs
        self._catalog = catalog
        self._opening = opening
        self._keeping = keeping
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
        # Suspects first, each alone, those received most often before the others: a task is blamed for a death, or for a lack
        # of time, only when it ran alone and had all the time there was, which goes for the first one.
        suspects = sorted((task for task in tasks if task.is_suspect), key=lambda task: -task.receives)
        for number, task in enumerate(suspects):
            if going_on():
                yield from self._run_alone(task, going_on, is_blamed=number == 0)
        for group in _groups(task for task in tasks if not task.is_suspect):
            if going_on():
                yield from self._run(group, going_on)

    def _run_alone(self, task: Task, going_on: Callable[[], bool], *, is_blamed: bool) -> Iterator[list[Delivery]]:
        """Run a task that its workers may have died of, unless they did when it ran alone, or it comes for the last time."""
        if task.receives >= MOST_RECEIVES or (is_blamed and self._has_failed_alone(task)):
            task.give_up(GivenUpError())
            yield self._keeping.keep([task])
        else:
            yield from self._run([task], going_on)

    def _has_failed_alone(self, task: Task) -> bool:
        with suppress(JobNotFoundError, ModelLayerError):
            self._catalog.get(task.job.model_name)  # a model that is not there is no fault of the task
            return self._jobs.begin_alone(task.job, task.index) > ATTEMPTS_ALONE
        return False

    def _run(self, tasks: Sequence[Task], going_on: Callable[[], bool]) -> Iterator[list[Delivery]]:
        """Run tasks of one model."""
        ready = [task for task in tasks if self._read(task)]
        unkept = {task for task in ready if task.is_complete}
        requests = {(task, number): request for task in ready for number, request in task.requests.items()}
        kept_at = time.monotonic()
        for answers in answer_all(self._catalog.get(tasks[0].job.model_name), requests) if requests else ():
            for (task, number), answer in answers:
                self._take(task, number, answer)
            unkept |= {task for (task, _), _ in answers if task.is_complete}
            if not going_on():
                break
            if time.monotonic() - kept_at > KEEP_EVERY_S:
                yield self._keeping.keep(unkept)
                unkept, kept_at = set(), time.monotonic()
                if self._keeping.is_in_vain(ready):
                    break
        yield self._keeping.keep(unkept)

    def _read(self, task: Task) -> bool:
        """Whether the task could be read, or at least has its results now. If not, it comes again."""
        try:
            self._opening.read(task)
        except StoreUnavailableError:
            raise
        except InvalidRequestError as error:  # the source is not what it was
            self._keeping.end(task.job, error)
            return False
        except (WheelError, ModelLayerError) as error:  # the model may be there again the next time
            self._report(error)
            return False
        except Exception as error:  # noqa: BLE001 - this task's alone
            self._fail(task, error)
        return task.is_complete or bool(task.requests)

    def _take(self, task: Task, number: int, answer: Answer) -> None:
        """Give a task an answer. An error is a result for one line of many; a request that is a task of its own comes again."""
        if answer.error is not None and task.job.source is None:
            self._fail(task, answer.error)
            return
        if answer.error is not None:
            self._report(answer.error)
        precision = PrecisionBody.of(self._catalog.manifest(task.job.model_name))
        task.results[number] = RequestResult.of(number, task.requests[number], answer, precision)

    def _fail(self, task: Task, error: Exception) -> None:
        """Let the task come once more; the second time its failure is its result."""
        self._report(error)
        if task.receives > 1:
            task.give_up(error)


def _groups(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Tasks that run together: those of one model. A part of a file fills its passes by itself."""
    by_model: dict[tuple[str, str, int], list[Task]] = defaultdict(list)
    for task in tasks:
        own = ("", 0) if task.job.source is None else (task.job.id, task.index)
        by_model[(task.job.model_name, *own)].append(task)
    yield from by_model.values()
