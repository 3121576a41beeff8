"""Where jobs are handed in, looked up and cancelled. What is accepted here is kept and queued before it is acknowledged."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from handler.jobs.job import Job, JobExistsError, JobQueue, JobStore, Message
from handler.jobs.parts import ObjectStore
from handler.jobs.reading import all_checked
from handler.jobs.request import JobRequest
from handler.settings import Settings
from handler.wheel.errors import IdempotencyKeyReusedError, JobNotFoundError, SourceNotFoundError
from handler.wheel.ledger import Write
from model_layer.catalog import ModelCatalog

SEED_BYTES = 8


class JobDesk:
    """Takes jobs. The id of one that comes with an idempotency key follows from the key: the same key is the same job."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        catalog: ModelCatalog,
        objects: ObjectStore,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        """`clock` gives aware times."""
        self.store = store
        self._queue = queue
        self._catalog = catalog
        self._objects = objects
        self._clock = clock
        self._settings = settings

    def submit(self, requests: Sequence[JobRequest], *, model_name: str | None, name: str | None, write: Write) -> Job:
        """A job of these requests, kept and queued; each is checked first.

        Raises RefusedRequestError, IdempotencyKeyReusedError, ModelNotFoundError, ModelNotLoadableError, StoreUnavailableError.
        """
        job = replace(self._new(model_name, write), name=name, total=len(requests))
        all_checked(requests, self._catalog.get(job.model_name), seed=job.seed, limits=self._settings)
        job = self._kept(job, [request.model_dump_json(exclude_unset=True) for request in requests])
        if not job.enqueued:
            self._queue.send([Message(job.id, index) for index in range(len(requests))])
            self.store.begin(job, total=job.total)
        return job

    def submit_file(self, source: str, output: str, *, model_name: str | None, name: str | None, write: Write) -> Job:
        """A job of the requests in a file of S3, whose results go to files in the folder `output`.

        A worker divides it. Raises what `submit` raises, but for RefusedRequestError; FilesNotTakenError, SourceNotFoundError.
        """
        job = replace(self._new(model_name, write), name=name, source=source, output=output)
        # The file may have been moved since an earlier request with this key: its job is looked for first.
        job = self._earlier(job) or self._kept(replace(job, version=self._version(source, output)), [])
        if not job.enqueued:
            self._queue.send([Message(job.id, None)])
        return job

    def _new(self, model_name: str | None, write: Write) -> Job:
        model = self._catalog.get(self._catalog.default if model_name is None else model_name)
        now = self._clock()
        return Job(
            id=write.new_id("job"),
            model_name=model.name,
            created_at=now,
            expires_at_epoch_s=int((now + timedelta(seconds=self._settings.job_ttl_s)).timestamp()),
            seed=secrets.token_hex(SEED_BYTES),
            fingerprint=write.fingerprint,
        )

    def _version(self, source: str, output: str) -> str:
        """The version of the file, when the folder can be used too."""
        with _named("output"):
            self._objects.check(output)
        with _named("input"):
            return self._objects.version(source)

    def _kept(self, job: Job, tasks: Sequence[str]) -> Job:
        """The job, or the one that an earlier request with this key began."""
        try:
            self.store.create(job, tasks)
        except JobExistsError:
            return _same(self.store.load(job.id), job)
        return job

    def _earlier(self, job: Job) -> Job | None:
        """The job that an earlier request with this key began, if one did."""
        try:
            return _same(self.store.load(job.id), job)
        except JobNotFoundError:
            return None


def _same(earlier: Job, job: Job) -> Job:
    """The earlier job of the same id, if it is of the same request."""
    if earlier.fingerprint != job.fingerprint:
        raise IdempotencyKeyReusedError
    return earlier


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Let the error name the field that it is about."""
    try:
        yield
    except SourceNotFoundError as error:
        raise SourceNotFoundError(field) from error
