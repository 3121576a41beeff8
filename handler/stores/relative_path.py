"""Paths of files below a folder, as they are written in keys: none of them can lead out of it."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def checked_path(name: str) -> str:
    """The path, when it leads below a folder and is written in the one plain way. Raises ValueError."""
    path = PurePosixPath(name)
    if name != str(path) or path.is_absolute() or not path.parts or ".." in path.parts or not name.isprintable():
        raise ValueError("a path below a folder is relative, plain, and without '..'")
    return name


def files_below(folder: Path) -> Iterator[str]:
    """The paths of all files of a folder, and of those of its folders."""
    yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
