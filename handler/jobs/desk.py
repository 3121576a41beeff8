"""Where jobs are handed in, looked up and cancelled. What is accepted here is kept and queued before it is acknowledged."""

import hashlib
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handler.jobs.job import Job, JobExistsError, JobQueue, JobStore, Message
from handler.jobs.parts import ObjectStore
from handler.jobs.reading import seed_of
from handler.jobs.request import JobRequest, checked
from handler.settings import Settings
from handler.wheel.errors import IdempotencyKeyReusedError, RefusedRequestError, WheelError
from handler.wheel.ledger import Write
from model_layer.catalog import ModelCatalog
from model_layer.errors import ModelLayerError

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
        self._check(requests, job)
        job = self._kept(job, [request.model_dump_json(exclude_unset=True) for request in requests])
        if not job.enqueued:
            self._queue.send([Message(job.id, index) for index in range(len(requests))])
            self.store.begin(job.id, total=job.total)
        return job

    def submit_file(self, source: str, output: str, *, model_name: str | None, name: str | None, write: Write) -> Job:
        """A job of the requests in a file of S3, whose results go to files in the folder `output`.

        A worker divides it. Raises what `submit` raises, and SourceNotFoundError.
        """
        self._objects.check(output)
        version = self._objects.version(source)
        job = self._kept(replace(self._new(model_name, write), name=name, source=source, version=version, output=output), [])
        if not job.enqueued:
            self._queue.send([Message(job.id, None)])
        return job

    def _new(self, model_name: str | None, write: Write) -> Job:
        model = self._catalog.get(self._catalog.default if model_name is None else model_name)
        now = self._clock()
        return Job(
            id=str(uuid.uuid4() if write.key_hash is None else _uuid_of(write.key_hash)),
            model_name=model.name,
            created_at=now,
            expires_at_epoch_s=int((now + timedelta(seconds=self._settings.job_ttl_s)).timestamp()),
            seed=secrets.token_hex(SEED_BYTES),
            fingerprint=write.fingerprint,
        )

    def _check(self, requests: Sequence[JobRequest], job: Job) -> None:
        model = self._catalog.get(job.model_name)
        for index, request in enumerate(requests):
            try:
                checked(request, model, seed=seed_of(job.seed, index), limits=self._settings)
            except (WheelError, ModelLayerError) as error:
                raise RefusedRequestError(index=index, reason=error) from error

    def _kept(self, job: Job, tasks: Sequence[str]) -> Job:
        """The job, or the one that an earlier request with this key began."""
        try:
            self.store.create(job, tasks)
        except JobExistsError:
            earlier = self.store.load(job.id)
            if earlier.fingerprint != job.fingerprint:
                raise IdempotencyKeyReusedError from None
            return earlier
        return job


def _uuid_of(key_hash: str) -> uuid.UUID:
    """An id that tells nothing of the key, and that nobody finds without it."""
    return uuid.UUID(bytes=hashlib.sha256(f"job:{key_hash}".encode()).digest()[:16], version=4)
