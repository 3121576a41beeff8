"""A bake's place is changed whole or not at all."""

import errno
from pathlib import Path

import pytest

from model_layer.bake.publish import new_folder
from model_layer.manifest import MANIFEST_FILE


def bake(target: Path, text: str) -> None:
    """Put a folder at `target` whose manifest is that text."""
    with new_folder(target) as staging:
        (staging / MANIFEST_FILE).write_text(text)


@pytest.mark.parametrize("there", [True, False])
def test_failed_replacement(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new folder cannot be put in its place, what was there before is there again, and nothing else lies about."""
    if there:
        bake(tmp_path / "fox", "old")
    rename = Path.rename

    def fails_for_the_new(path: Path, to: Path) -> Path:
        if path.name == ".fox.baking":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fails_for_the_new)
    with pytest.raises(OSError, match="Input/output"):
        bake(tmp_path / "fox", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["fox"] * there
    assert [path.read_text() for path in tmp_path.glob("fox/*")] == ["old"] * there


def test_replacement(tmp_path: Path) -> None:
    """A new folder takes the place of the old one and nothing else lies about."""
    for text in ("old", "new"):
        bake(tmp_path / "fox", text)
    assert [path.name for path in tmp_path.iterdir()] == ["fox"]
    assert (tmp_path / "fox" / MANIFEST_FILE).read_text() == "new"
