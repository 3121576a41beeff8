"""Hash files and hold them against what is expected of them."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from model_layer.bake.progress import byte_progress
from model_layer.bake.sources import PinnedModel
from model_layer.errors import BakeError
from model_layer.manifest import FileRecord, Manifest

READ_BYTES = 2**20


def file_records(folder: Path, files: Iterable[str]) -> dict[str, FileRecord]:
    """SHA-256 and size of each of `files`, in the order of their names."""
    return {file: _record(folder / file) for file in sorted(files)}


def check_pins(model: PinnedModel, folder: Path, records: Mapping[str, FileRecord]) -> None:
    """Raise BakeError when a file does not have the hash that is pinned for it."""
    for file, expected in model.sha256.items():
        if records[file].sha256 != expected:
            raise BakeError(
                f"wrong hash: {folder / file} has sha256 {records[file].sha256}, pinned is {expected}; delete it and bake again"
            )


def holds(manifest: Manifest, folder: Path) -> bool:
    """Whether `folder` has every file of its manifest with the same content."""
    files = manifest.files
    return all((folder / file).is_file() for file in files) and file_records(folder, files) == dict(manifest.files)


def _record(path: Path) -> FileRecord:
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file, byte_progress(f"sha256 {path.name}", size) as bar:
        while block := file.read(READ_BYTES):
            digest.update(block)
            bar.update(len(block))
    return FileRecord(digest.hexdigest(), size)
