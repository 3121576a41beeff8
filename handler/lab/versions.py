"""The models that came of training runs, for the catalogue: a version of a model for each run that succeeded."""

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from handler.lab.errors import FilesGoneError, RunNotFinishedError
from handler.lab.run import Clock, LabFiles, LabRun, LabStore
from handler.wheel.errors import StoreUnavailableError
from model_layer.manifest import MANIFEST_FILE, Manifest

KNOWN_FOR = timedelta(seconds=5)
MOST_FETCHED = 5  # of 250 MB each for GPT-2 124M
_NAME = re.compile(r".+-[0-9a-f]{8}")


def version_name(base: str, plan: str, run_id: str) -> str:
    """What comes of a run is called this."""
    return f"{base}-{plan.replace('_', '-')}-{run_id[:8]}"


@dataclass(frozen=True, slots=True)
class Version:
    """A run that succeeded, and the manifest of its model."""

    run: LabRun
    manifest: Manifest


class Versions:
    """A `ModelProvider`. Thread-safe. What it knows of the runs is some seconds old at most, except of names it does not know.

    While the store does not answer, it goes on with what it knew. A name that no run can have is never asked for.
    """

    def __init__(self, store: LabStore, files: LabFiles, manifests: LabFiles, *, clock: Clock, folder: Path) -> None:
        """Models that must be copied to be opened are copied into `folder`. `manifests` are the files, soon given up."""
        self._manifests = manifests
        self._store = store
        self._files = files
        self._clock = clock
        self._folder = folder
        self._known: Mapping[str, Version] = {}
        self._asked_at: datetime | None = None
        self._asking, self._fetching = threading.Lock(), threading.Lock()

    def names(self) -> list[str]:
        """The names of all versions."""
        return list(self._versions())

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of a version; None when there is no such one. Raises StoreUnavailableError."""
        version = self._find(name)
        return None if version is None else version.manifest

    def folder(self, name: str) -> Path | None:
        """A version's files; None when there is no such one. Raises StoreUnavailableError, FilesGoneError."""
        version = self._find(name)
        return None if version is None else self.folder_of(version.run)

    def folder_of(self, run: LabRun) -> Path:
        """The files of a run's model. Raises RunNotFinishedError, StoreUnavailableError, FilesGoneError."""
        if run.result is None:
            raise RunNotFinishedError
        place = self._folder / run.model_name
        with self._fetching:
            if not place.exists():
                self._make_room()
            return self._files.fetch(run.result, place)

    def forget(self) -> None:
        """Ask the store again before anything else is said."""
        self._asked_at = None

    def _find(self, name: str) -> Version | None:
        if not _NAME.fullmatch(name):
            return None
        return self._versions().get(name) or self._asked(older_than=timedelta(0)).get(name)

    def _versions(self) -> Mapping[str, Version]:
        try:
            return self._asked(older_than=KNOWN_FOR)
        except StoreUnavailableError:
            return self._known

    def _asked(self, *, older_than: timedelta) -> Mapping[str, Version]:
        """What is known, asked for again when it is that old. Raises StoreUnavailableError."""
        with self._asking:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= older_than:
                self._asked_at = now  # also when it fails: the others do not all wait for it too
                runs = [run for run in self._store.all() if run.status == "succeeded"]
                self._known = {version.run.model_name: version for version in self._found(runs)}
            return self._known

    def _found(self, runs: Sequence[LabRun]) -> Iterator[Version]:
        """The versions of runs; once the files do not answer, of those alone that are known."""
        answers = True
        for run in runs:
            try:
                version = self._version(run) if answers or run.model_name in self._known else None
            except StoreUnavailableError:
                answers, version = False, None
            if version is not None:
                yield version

    def _version(self, run: LabRun) -> Version | None:
        """The version of a run; None when its files are no model's. Raises StoreUnavailableError."""
        known = self._known.get(run.model_name)
        if known is not None and known.run.result == run.result:
            return known
        try:
            return Version(run, Manifest.from_json(json.loads(self._manifests.read(run.result or "", MANIFEST_FILE))))
        except (FilesGoneError, ValueError, TypeError, KeyError):
            return None

    def _make_room(self) -> None:
        """Remove copies that no version has any more, the oldest ones when there are many, and what a kill left of others."""
        for left in self._folder.glob(".*"):
            shutil.rmtree(left, ignore_errors=True)
        there = sorted(self._folder.glob("[!.]*"), key=lambda place: place.stat().st_mtime)
        kept = [place for place in there if place.name in self._known][-(MOST_FETCHED - 1) :]
        for place in there:
            if place not in kept:
                shutil.rmtree(place, ignore_errors=True)
