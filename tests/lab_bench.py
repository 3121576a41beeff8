"""A desk of training runs with everything that it needs, and switches to let parts of it be away."""

from pathlib import Path

from handler.lab.desk import LabDesk
from handler.lab.run import LabFiles, LabRun
from handler.lab.versions import Versions
from handler.stores.sqlite_lab import SqliteLabStore
from handler.wheel.errors import StoreUnavailableError
from handler.wheel.ledger import Write
from model_layer.catalog import ModelCatalog
from tests.contract.lab_values import leased
from tests.contract.session_values import SetClock
from tests.lab_places import Opened


class MovingFiles:
    """Files that are away for a while."""

    is_away = False

    def __init__(self, files: LabFiles) -> None:
        self._files = files

    def __getattr__(self, name: str) -> object:
        if self.is_away:
            raise StoreUnavailableError
        return getattr(self._files, name)


class MovingStore(SqliteLabStore):
    """A store that is away for a while, and counts how often it is asked for all."""

    is_away = False
    listings = 0

    def all(self) -> list[LabRun]:
        """As the store, if at all."""
        self.listings += 1
        if self.is_away:
            raise StoreUnavailableError
        return super().all()


class Bench:
    """A desk and everything that it needs."""

    def __init__(self, folder: Path, base: Path, place: Opened, clock: SetClock) -> None:
        self.clock = clock
        self.called: list[str] = []
        self.store = MovingStore(folder / "lab.sqlite3", clock=clock)
        self.files = MovingFiles(place.files)
        self.place = place
        self.fetched = folder / "fetched"
        self.versions = Versions(self.store, self.files, self.files, clock=clock, folder=self.fetched)  # type: ignore[arg-type] # it has all
        self.catalog = ModelCatalog({"base": base}, "base", provider=self.versions)
        self.desk = LabDesk(
            self.store,
            self.files,  # type: ignore[arg-type] # as above
            self.catalog,
            self.versions,
            self.called.append,
            clock=clock,
        )

    def finished(self, model: Path) -> LabRun:
        """A run that succeeded with this model."""
        run = self.desk.start("quick_demo", "base", Write())
        fence = leased(self.store, run.id).fence
        self.store.succeed(run.id, fence, self.place.files.keep(run.id, f"model-{fence}", model))
        return self.desk.load(run.id)
