"""A task under way: the requests of a message, and their results so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handler.jobs.job import Delivery, Job, TaskResult
from handler.jobs.parts import Part
from handler.jobs.request import CheckedRequest
from handler.jobs.result import RequestResult

TRUSTED_RECEIVES = 2
MOST_RECEIVES = 20  # of a message, before its queue makes it a dead letter: a task must not die of its neighbours' deaths


@dataclass(slots=True, eq=False)
class Task:
    """What the store has of a task, the requests in it once they are read, and one result for each in the end.

    Requests go by their numbers in the job. A message may have been delivered twice.
    """

    deliveries: Sequence[Delivery]
    job: Job
    index: int
    text: str
    requests: Mapping[int, CheckedRequest] = field(default_factory=dict)
    results: dict[int, RequestResult] = field(default_factory=dict)
    given_up: bool = False

    @property
    def numbers(self) -> range:
        """The numbers of its requests, which are known before they are read."""
        return range(self.index, self.index + 1) if self.job.source is None else Part.of(self.text).numbers

    @property
    def is_complete(self) -> bool:
        """Whether every request has its result."""
        return all(number in self.results for number in self.numbers)

    @property
    def receives(self) -> int:
        """How often its message was received, this time included."""
        return max(delivery.receives for delivery in self.deliveries)

    @property
    def is_suspect(self) -> bool:
        """Whether it was received so often that its workers may have died of it: it runs alone."""
        return self.receives > TRUSTED_RECEIVES

    @property
    def finished(self) -> Sequence[Delivery]:
        """What need not come again, once the results are kept. What was given up comes again until it is a dead letter."""
        return () if self.given_up else self.deliveries

    def give_up(self, error: Exception) -> None:
        """Let what has no result have this error."""
        self.given_up = True
        for number in self.numbers:
            self.results.setdefault(number, RequestResult.failed(number, error))

    def lines(self) -> str:
        """The results as lines of JSON, in order."""
        return "\n".join(self.results[number].text() for number in sorted(self.results))

    def counted(self, body: str) -> TaskResult:
        """The result to keep, with `body`."""
        failed = sum(result.kind == "error" for result in self.results.values())
        return TaskResult(self.index, body, len(self.results) - failed, failed, self.given_up)
