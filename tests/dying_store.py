"""A store of jobs whose callers die."""

import random
from collections.abc import Sequence

from handler.jobs.job import Job, TaskResult
from handler.stores.sqlite_jobs import SqliteJobStore


class WorkerDiedError(Exception):
    """Raise in the place of a kill."""


class DyingStore(SqliteJobStore):
    """A store whose callers die before or after it keeps or begins something, with the probability `danger`."""

    danger = 0.0
    deaths = 0
    chance: random.Random

    def keep(self, job: Job, results: Sequence[TaskResult]) -> None:
        """Keep, unless the caller dies before; it may die after."""
        self._perhaps_die()
        super().keep(job, results)
        self._perhaps_die()

    def begin(self, job: Job, *, total: int | None) -> None:
        """Begin, unless the caller dies before; it may die after."""
        self._perhaps_die()
        super().begin(job, total=total)
        self._perhaps_die()

    def _perhaps_die(self) -> None:
        if self.chance.random() < self.danger:
            self.deaths += 1
            raise WorkerDiedError
