"""One lease's work on a run, in a working folder of its own: taken up from what was kept, kept again, published."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handler.lab.errors import FilesGoneError, LeaseLostError
from handler.lab.lease import Lease
from handler.lab.run import LabFiles, LabRun
from handler.lab.telling import Telling
from handler.wheel.errors import StoreUnavailableError
from model_layer.constitution.plan import Progress
from model_layer.constitution.watch import Activity, Watch

Make = Callable[[LabRun, Path, Path, Watch], Path | None]
"""Of a run, its base's folder and the working folder: the folder of the model, or None when time ran out."""

Announce = Callable[[LabRun, Activity | Progress], None]


class Attempt:
    """What is kept has the fence in its name, so that no two leases ever use the same."""

    def __init__(
        self,
        lease: Lease,
        files: LabFiles,
        telling: Telling,
        *,
        work_root: Path,
        announce: Announce,
        report: Callable[[Exception], None],
    ) -> None:
        """`report` hears of files that could not be removed."""
        self._lease, self._run = lease, lease.run
        self._files = files
        self._telling = telling
        self._work_root = work_root
        self._folder = work_root / f"{self._run.id}-{self._run.fence}"
        self._announce = announce
        self._report = report
        self._key = self._run.files
        self._kept = 0

    def make(self, make: Make, base_folder: Path, *, seconds_left: Callable[[], float]) -> Path | None:
        """Go on from what was kept: the folder of the model, or None when time ran out.

        Raises LeaseLostError, StoreUnavailableError, and whatever `make` does.
        """
        self._take_up()
        watch = Watch(seconds_left=seconds_left, activity=self._activity, progress=self._progress, kept=self._keep)
        return make(self._run, base_folder, self._folder, watch)

    def pause(self) -> None:
        """Let another worker go on. Raises LeaseLostError, StoreUnavailableError."""
        self._telling.send()
        self._lease.release()

    def publish(self, finished: Path) -> None:
        """Keep the model, let it be the run's result, and remove the work. Raises LeaseLostError, StoreUnavailableError."""
        self._telling.send()
        key = self._files.keep(self._run.id, f"model-{self._run.fence}", finished)
        with self._dropped_when_lost(key):
            self._lease.succeed(key)
        self._remove(lambda: self._files.drop_all(self._run.id, but=key))

    def give_up(self, problem: str) -> None:
        """End the run with a problem, and remove the work. Raises LeaseLostError, StoreUnavailableError."""
        self._telling.send()
        self._lease.fail(problem)
        self._remove(lambda: self._files.drop_all(self._run.id))

    def tidy(self) -> None:
        """Remove the working folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take_up(self) -> None:
        for older in self._work_root.glob(f"{self._run.id}-*"):
            shutil.rmtree(older, ignore_errors=True)
        self._work_root.mkdir(parents=True, exist_ok=True)
        if self._run.files is not None:
            with suppress(FilesGoneError):  # then the run begins anew
                place = self._files.fetch(self._run.files, self._folder)
                if place != self._folder:
                    shutil.copytree(place, self._folder)
        self._folder.mkdir(exist_ok=True)

    def _activity(self, activity: Activity) -> None:
        self._telling.activity(activity)
        self._announce(self._run, activity)

    def _progress(self, progress: Progress) -> None:
        self._telling.progress(progress)
        self._announce(self._run, progress)

    def _keep(self) -> None:
        """Keep the working folder under a new name, tell of it, and only then remove what was kept before."""
        self._lease.check()
        self._kept += 1
        key = self._files.keep(self._run.id, f"work-{self._run.fence}-{self._kept}", self._folder)
        with self._dropped_when_lost(key):
            self._telling.kept(key)
        if (older := self._key) is not None:
            self._remove(lambda: self._files.drop(older))
        self._key = key

    @contextmanager
    def _dropped_when_lost(self, key: str) -> Iterator[None]:
        """Remove what nothing points to, and never will."""
        try:
            yield
        except LeaseLostError:
            self._remove(lambda: self._files.drop(key))
            raise

    def _remove(self, remove: Callable[[], None]) -> None:
        """What cannot be removed now is in nobody's way, and goes with the run."""
        try:
            remove()
        except StoreUnavailableError as error:
            self._report(error)
