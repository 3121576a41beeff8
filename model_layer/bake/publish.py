"""Build a folder out of sight and put it in its place whole.

    target          the folder asked for; only ever renamed
    .NAME.baking    being built; whatever is left of an earlier, killed bake is removed
    .NAME.replaced  the old folder between two renames; a bake killed there is undone by the next one

A lock on the parent folder lets one bake at a time write there, so these fixed names belong to nobody else.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_layer.errors import BakeError
from model_layer.manifest import MANIFEST_FILE


@contextmanager
def place_of(target: Path) -> Iterator[None]:
    """Hold the place of `target` for one bake; makes its parent folders.

    Raises BakeError when something lies there that is not a baked model: it is never replaced.
    """
    make_folders(target.parent)
    parent = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        if not target.exists() and _replaced(target).exists():
            _replaced(target).rename(target)
        if target.exists() and not (target.is_dir() and _may_replace(target)):
            raise BakeError(f"{target} exists and is not a baked model: give another folder")
        yield
    finally:
        os.close(parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` which takes its place when the block succeeds and vanishes when it fails."""
    staging = target.with_name(f".{target.name}.baking")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        yield staging
        make_world_readable(staging)
        _replace(target, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def make_folders(folder: Path) -> None:
    """Make `folder` and its parents as far as they are missing, readable for all whatever the umask."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(0o755)


def make_world_readable(folder: Path) -> None:
    """Give the folder mode 0755 and its files 0644: the server runs as another user."""
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)


def check_space(folder: Path, needed_bytes: int) -> None:
    """Raise BakeError when the disk of `folder` has less than `needed_bytes` free."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise BakeError(f"the disk is full: {folder} has {free_bytes / 1e6:.0f} MB free, {needed_bytes / 1e6:.0f} MB are needed")


def _replace(target: Path, staging: Path) -> None:
    replaced = _replaced(target)
    shutil.rmtree(replaced, ignore_errors=True)
    if target.exists():
        target.rename(replaced)
    try:
        staging.rename(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _may_replace(target: Path) -> bool:
    return (target / MANIFEST_FILE).is_file() or not any(target.iterdir())
