"""Where training runs are started, looked up, taken up again and removed. Whoever trains polls the store, or is called."""

from collections.abc import Callable
from pathlib import Path

from handler.lab.errors import RunNotFinishedError, RunNotFoundError, TooManyRunsError
from handler.lab.run import Clock, LabFiles, LabRun, LabStore, RunExistsError, first_fence
from handler.lab.versions import Versions, version_name
from handler.wheel.errors import IdempotencyKeyReusedError
from handler.wheel.ledger import Write
from model_layer.catalog import ModelCatalog
from model_layer.constitution.plan import PLANS
from model_layer.constitution.probe import Probes

Call = Callable[[str], None]

MOST_WAITING, MOST_RUNS = 10, 50  # anyone can start runs, and each keeps a model


def not_called(_: str) -> None:
    """A worker of this machine polls the store."""


class LabDesk:
    """Takes training runs. The id of one that comes with an idempotency key follows from the key: the same key, the same run."""

    def __init__(
        self, store: LabStore, files: LabFiles, catalog: ModelCatalog, versions: Versions, call: Call, *, clock: Clock
    ) -> None:
        """`call` has a run worked on, soon and elsewhere; called twice it does no harm."""
        self.store = store
        self.files = files
        self._catalog = catalog
        self._versions = versions
        self.call = call
        self._clock = clock

    def start(self, plan: str, base: str, write: Write) -> LabRun:
        """A run of a plan on a base, which must have probes: its own judge learns from it.

        Raises IdempotencyKeyReusedError, LabOffError, ModelNotFoundError, NoProbeError, TooManyRunsError, StoreUnavailableError.
        """
        assert plan in PLANS, "whoever takes plans from outside knows their names"
        Probes.read(self._catalog.folder(base))
        run = self._kept(self._new(plan, base, write))
        if run.status == "queued":  # also after an earlier request that did not get this far
            self.call(run.id)
        return run

    def load(self, run_id: str) -> LabRun:
        """A run, with its curve. Raises RunNotFoundError, StoreUnavailableError."""
        return self.store.load(run_id)

    def all(self) -> list[LabRun]:
        """All runs, the newest first, without their curves. Raises StoreUnavailableError."""
        return self.store.all()

    def resume(self, run_id: str) -> LabRun:
        """The run; it is taken up if it waits, or if its worker is gone. Raises RunNotFoundError, StoreUnavailableError."""
        run = self.store.load(run_id)
        if run.waits_at(self._clock()):
            self.call(run_id)
        return run

    def remove(self, run_id: str) -> LabRun:
        """Remove a run, whoever works on it, and its files; what it was. Raises RunNotFoundError, StoreUnavailableError."""
        try:
            run = self.store.remove(run_id)
        except RunNotFoundError:
            self._drop(run_id)  # of an earlier remove that failed half-way
            raise
        self._drop(run_id)
        return run

    def model_folder(self, run: LabRun) -> Path:
        """A folder with the model of a run. Raises RunNotFinishedError, StoreUnavailableError, FilesGoneError."""
        return self._versions.folder_of(run)

    def read(self, run: LabRun, name: str) -> bytes:
        """One file of a run's model, without the others. Raises as `model_folder` does."""
        return self.files.read(_result(run), name)

    def link(self, run: LabRun, name: str) -> str | None:
        """An address of one file for some minutes, where there are such addresses. Raises as `model_folder` does."""
        return self.files.link(_result(run), name)

    def _new(self, plan: str, base: str, write: Write) -> LabRun:
        run_id = write.new_id("lab")
        now = self._clock()
        return LabRun(
            id=run_id,
            base=base,
            plan=plan,
            model_name=version_name(base, plan, run_id),
            created_at=now,
            fingerprint=write.fingerprint,
            fence=first_fence(now),
        )

    def _kept(self, run: LabRun) -> LabRun:
        """The run, or the one that an earlier request with this key began."""
        there = self.store.all()
        waiting = sum(one.status == "queued" for one in there)
        if (waiting >= MOST_WAITING or len(there) >= MOST_RUNS) and run.id not in {one.id for one in there}:
            raise TooManyRunsError(waiting=MOST_WAITING, kept=MOST_RUNS)
        try:
            self.store.create(run)
        except RunExistsError:
            earlier = self.store.load(run.id)
            if earlier.fingerprint != run.fingerprint:
                raise IdempotencyKeyReusedError from None
            return earlier
        return run

    def _drop(self, run_id: str) -> None:
        self.files.drop_all(run_id)
        self._versions.forget()


def _result(run: LabRun) -> str:
    if run.result is None:
        raise RunNotFinishedError
    return run.result
