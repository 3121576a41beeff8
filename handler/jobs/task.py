"""A task under way: the requests of a message, and their results so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handler.jobs.job import Delivery, Job, TaskResult
from handler.jobs.request import CheckedRequest
from handler.jobs.result import RequestResult

TRUSTED_RECEIVES = 2


@dataclass(slots=True, eq=False)
class Task:
    """Requests by their numbers in the job, and one result for each in the end. A message may have been delivered twice."""

    deliveries: Sequence[Delivery]
    job: Job
    index: int
    requests: Mapping[int, CheckedRequest]
    results: dict[int, RequestResult] = field(default_factory=dict)
    given_up: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every request has its result."""
        return self.requests.keys() <= self.results.keys()

    @property
    def receives(self) -> int:
        """How often its message was received, this time included."""
        return max(delivery.receives for delivery in self.deliveries)

    @property
    def is_suspect(self) -> bool:
        """Whether it was received so often that its workers may have died of it: it runs alone, after the others."""
        return self.receives > TRUSTED_RECEIVES

    @property
    def finished(self) -> Sequence[Delivery]:
        """What need not come again, once the results are kept. What was given up comes again until it is a dead letter."""
        return () if self.given_up else self.deliveries

    @property
    def failed(self) -> int:
        """Requests that could not be answered."""
        return sum(result.kind == "error" for result in self.results.values())

    def give_up(self, error: Exception) -> None:
        """Let what has no result have this error."""
        self.given_up = True
        for number in self.requests:
            self.results.setdefault(number, RequestResult.failed(number, error))

    def text(self) -> str:
        """The results as lines of JSON, in order."""
        return "\n".join(self.results[number].text() for number in sorted(self.results))

    def counted(self, body: str) -> TaskResult:
        """The result to keep, with `body`."""
        return TaskResult(self.index, body, len(self.results) - self.failed, self.failed, self.given_up)
