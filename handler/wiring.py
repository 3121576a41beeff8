"""The one place where the parts are put together."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from handler.jobs.background import BackgroundWorker
from handler.jobs.desk import JobDesk
from handler.jobs.job import JobQueue, JobStore
from handler.jobs.keeping import Keeping
from handler.jobs.opening import Opening
from handler.jobs.parts import NoObjects, ObjectStore, Parts
from handler.jobs.task import MOST_RECEIVES
from handler.jobs.worker import Worker
from handler.lab.desk import Call, LabDesk, not_called
from handler.lab.judges import Judges
from handler.lab.no_lab import NoLabStore
from handler.lab.run import LabFiles, LabStore
from handler.lab.versions import Versions
from handler.models import catalog_of
from handler.settings import Settings
from handler.stores.folder_files import FolderFiles
from handler.stores.sqlite import SqliteSessionStore
from handler.stores.sqlite_jobs import SqliteJobStore
from handler.stores.sqlite_lab import SqliteLabStore
from handler.stores.sqlite_queue import SqliteJobQueue
from handler.telemetry import Telemetry
from handler.wheel.errors import NotOnLambdaError
from handler.wheel.ledger import Ledger
from handler.wheel.session import SessionStore
from handler.wheel.token_wheel import TokenWheel
from model_layer.catalog import ModelCatalog
from model_layer.language_model import LanguageModel
from model_layer.sampling import system_uniform
from model_layer.threads import use_threads

if TYPE_CHECKING:
    from handler.lab.attempt import Announce
    from handler.lab.worker import LabWorker
    from handler.stores.lambda_function import LambdaFunction

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of the service, connected."""

    settings: Settings
    clock: Clock
    catalog: ModelCatalog
    store: SessionStore
    wheel: TokenWheel
    ledger: Ledger
    desk: JobDesk
    queue: JobQueue
    worker: Worker
    telemetry: Telemetry
    judges: Judges
    lab: LabDesk

    def model(self, name: str | None = None) -> LanguageModel:
        """A model by name, the default one without. Raises ModelNotFoundError, ModelNotLoadableError."""
        return self.catalog.get(self.catalog.default if name is None else name)

    def background_worker(self) -> BackgroundWorker:
        """A worker for this process's queue, not yet started."""
        tell = self.telemetry
        return BackgroundWorker(self.queue, self.worker, report=tell.worker_failed, worked=tell.worked)

    def lab_worker(self, announce: "Announce | None" = None) -> "LabWorker":
        """A worker of training runs in this process."""
        from handler.lab.worker import LabWorker  # noqa: PLC0415 - who serves does not train

        return LabWorker(
            self.lab.store,
            self.lab.files,
            self.catalog.folder,
            clock=self.clock,
            work_root=scratch_folder(self.settings) / "lab-work",
            lease_s=self.settings.lab_lease_s,
            report=self.telemetry.worker_failed,
            announce=announce,
        )

    def itself(self) -> "LambdaFunction":
        """The function that this process is an environment of, by the alias that is kept warm. Raises NotOnLambdaError."""
        from handler.stores.lambda_function import LambdaFunction  # noqa: PLC0415 - boto3 loads only for those who use it

        if self.settings.aws_lambda_function_name is None:
            raise NotOnLambdaError
        return LambdaFunction(self.settings.aws_lambda_function_name, qualifier=self.settings.warm_up_alias)

    def close(self) -> None:
        """Close the files that are open; they are opened again when they are used again."""
        for part in (self.store, self.desk.store, self.queue, self.lab.store):
            if isinstance(part, SqliteSessionStore | SqliteJobStore | SqliteJobQueue | SqliteLabStore):
                part.close()

    def prime(self) -> None:
        """Load the default model and run it once, so that the first student does not wait. Raises ModelNotLoadableError."""
        started = time.perf_counter()
        model = self.model()
        model.next_logits([model.end_of_text_id])
        use_threads(self.settings.compute_threads)
        self.telemetry.started(model=model.name, load_ms=(time.perf_counter() - started) * 1000)


def utc_now() -> datetime:
    """The time, aware of its zone."""
    return datetime.now(UTC)


def build(settings: Settings, *, clock: Clock = utc_now, uniform: Callable[[], float] = system_uniform) -> Application:
    """Connect the parts. No model is loaded and no store is opened yet. Raises ModelNotFoundError, ModelNotLoadableError."""
    use_threads(settings.compute_threads)
    runs, files = _lab_store(settings, clock), _lab_files(settings)
    manifests = _lab_files(settings, patient=False)
    versions = Versions(runs, files, manifests, clock=clock, folder=scratch_folder(settings) / "lab-models")
    catalog = catalog_of(settings, versions)
    wheel = TokenWheel(
        catalog,
        clock=clock,
        idle_ttl_s=settings.session_idle_ttl_s,
        max_age_s=settings.session_max_age_s,
        max_turns=settings.max_turns,
        uniform=uniform,
    )
    store = _store(settings, clock)
    telemetry = Telemetry(settings, forward_passes=lambda: catalog.forward_passes)
    jobs, queue, objects = _job_store(settings, clock), _job_queue(settings, clock), _objects(settings)
    parts, report = Parts(objects), telemetry.task_failed
    opening = Opening(jobs, catalog, queue, parts, settings, report=report)
    return Application(
        settings=settings,
        clock=clock,
        catalog=catalog,
        store=store,
        wheel=wheel,
        ledger=Ledger(store, wheel),
        desk=JobDesk(jobs, queue, catalog, objects, clock=clock, settings=settings),
        queue=queue,
        worker=Worker(jobs, catalog, opening, Keeping(jobs, parts, report=report), report=report),
        telemetry=telemetry,
        judges=Judges(catalog),
        lab=LabDesk(runs, files, catalog, versions, _lab_call(settings), clock=clock),
    )


@cache
def application() -> Application:
    """The application of this process, from its environment, made once."""
    return build(Settings.from_environment())


def _store(settings: Settings, clock: Clock) -> SessionStore:
    if settings.session_store == "sqlite":
        return SqliteSessionStore(settings.data_folder / "sessions.sqlite3", clock=clock)
    from handler.stores.dynamodb import DynamoDbSessionStore  # noqa: PLC0415 - boto3 loads only for those who use it

    assert settings.sessions_table, "settings name a table with dynamodb"
    return DynamoDbSessionStore(settings.sessions_table, clock=clock, max_age_s=settings.session_max_age_s)


def _job_store(settings: Settings, clock: Clock) -> JobStore:
    if settings.job_store == "sqlite":
        return SqliteJobStore(settings.data_folder / "jobs.sqlite3", clock=clock)
    from handler.stores.dynamodb_jobs import DynamoDbJobStore  # noqa: PLC0415 - as above

    assert settings.jobs_table, "settings name a table with dynamodb"
    return DynamoDbJobStore(settings.jobs_table, clock=clock)


def _job_queue(settings: Settings, clock: Clock) -> JobQueue:
    if settings.job_queue == "sqlite":
        return SqliteJobQueue(settings.data_folder / "queue.sqlite3", clock=clock, max_receives=MOST_RECEIVES)
    from handler.stores.sqs_queue import SqsJobQueue  # noqa: PLC0415 - as above

    assert settings.job_queue_url, "settings name a queue with sqs"
    return SqsJobQueue(settings.job_queue_url)


def _objects(settings: Settings) -> ObjectStore:
    if settings.jobs_location is None:
        return NoObjects()
    from handler.stores.s3 import S3Objects  # noqa: PLC0415 - as above

    return S3Objects(settings.jobs_location)


def _lab_store(settings: Settings, clock: Clock) -> LabStore:
    if settings.on_lambda and settings.lab_table is None:
        return NoLabStore()
    if settings.lab_store == "sqlite":
        return SqliteLabStore(settings.data_folder / "lab.sqlite3", clock=clock)
    from handler.stores.dynamodb_lab import DynamoDbLabStore  # noqa: PLC0415 - as above

    assert settings.lab_table, "settings name a table with dynamodb"
    return DynamoDbLabStore(settings.lab_table, clock=clock)


def _lab_files(settings: Settings, *, patient: bool = True) -> LabFiles:
    if settings.lab_location is None:
        return FolderFiles(settings.data_folder / "lab")
    from handler.stores.s3_lab import S3LabFiles  # noqa: PLC0415 - as above

    return S3LabFiles(settings.lab_location, patient=patient)


def _lab_call(settings: Settings) -> Call:
    if settings.lab_function_name is None:
        return not_called
    from handler.stores.lambda_function import LambdaFunction  # noqa: PLC0415 - as above

    function = LambdaFunction(settings.lab_function_name)
    return lambda run_id: function.call_later({"lab_run": run_id})


def scratch_folder(settings: Settings) -> Path:
    """Where files lie that can be had again: on Lambda only /tmp can be written to."""
    return Path(gettempdir()) if settings.on_lambda else settings.data_folder
