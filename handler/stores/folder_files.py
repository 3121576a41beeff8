"""Files of training runs in a folder of this machine. What is kept is built out of sight and renamed into its place.

ROOT/<run>/<name>           the files of one key
ROOT/<run>/.<name>.<token>  being kept or being removed; whatever a kill leaves goes with the run
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from handler.lab.errors import FilesGoneError
from handler.lab.run import parts_of, plain
from handler.stores.relative_path import checked_path
from handler.wheel.errors import StoreUnavailableError


class FolderFiles:
    """A `LabFiles` in the folder `root`, which is made on first use."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, run_id: str, name: str, folder: Path) -> str:
        """Copy the folder, then let the copy appear."""
        place = self._root / plain(run_id) / plain(name)
        staging = _hidden(place)
        with _translated():
            try:
                shutil.copytree(folder, staging)
                _appear(staging, place)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        return f"{run_id}/{name}"

    def fetch(self, key: str, to: Path) -> Path:
        """The place itself: nothing is copied to `to`."""
        del to
        place = self._place(key)
        if not place.is_dir():
            raise FilesGoneError
        return place

    def read(self, key: str, name: str) -> bytes:
        """One file."""
        path = self._place(key) / checked_path(name)
        with _translated():
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise FilesGoneError from error

    def link(self, key: str, name: str) -> None:
        """None: only this machine can read these."""
        del key, name

    def drop(self, key: str) -> None:
        """Take the place away at once, and then its files."""
        place = self._place(key)
        staging = _hidden(place)
        with _translated():
            with suppress(FileNotFoundError):
                place.rename(staging)
            shutil.rmtree(staging, ignore_errors=True)

    def drop_all(self, run_id: str, *, but: str | None = None) -> None:
        """Remove every key, and what kills have left."""
        run = self._root / plain(run_id)
        kept = None if but is None else self._place(but)
        with _translated():
            for found in run.iterdir() if run.is_dir() else ():
                if found != kept:
                    shutil.rmtree(found)
            if kept is None and run.is_dir():
                run.rmdir()

    def _place(self, key: str) -> Path:
        return self._root.joinpath(*parts_of(key))


def _hidden(place: Path) -> Path:
    return place.with_name(f".{place.name}.{token_hex(8)}")


def _appear(staging: Path, place: Path) -> None:
    """Rename, unless the place is taken: a rename onto a folder with files is refused by the file system."""
    if place.exists():
        raise FileExistsError
    staging.rename(place)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise StoreUnavailableError when the file system fails; that a name is taken is no failure of it."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise StoreUnavailableError from error
