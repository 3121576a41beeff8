"""What every place of the files of runs promises, in a folder and on S3 alike."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handler.lab.errors import FilesGoneError
from handler.lab.run import LabFiles
from tests.lab_places import CONTENT, OTHER_RUN, RUN, KilledError, Opened, content_of, folder_files, s3_files, written


@pytest.fixture(params=[folder_files, s3_files])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """An empty place of each kind."""
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture
def files(opened: Opened) -> LabFiles:
    """An empty place of each kind."""
    return opened.files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to keep."""
    return written(tmp_path / "folder", CONTENT)


def assert_gone(files: LabFiles, key: str, to: Path) -> None:
    """Nothing is there, and nothing comes of asking."""
    with pytest.raises(FilesGoneError):
        files.fetch(key, to)
    with pytest.raises(FilesGoneError):
        files.read(key, "manifest.json")
    assert not to.exists()


def test_what_is_kept_is_fetched(files: LabFiles, folder: Path, tmp_path: Path) -> None:
    """Byte for byte, with its sub-folders, whatever becomes of the folder; again, too."""
    key = files.keep(RUN, "work-1-1", folder)
    (folder / "manifest.json").write_bytes(b"changed since")
    for _ in range(2):
        assert content_of(files.fetch(key, tmp_path / "to" / "here")) == CONTENT


def test_one_file_is_read(files: LabFiles, folder: Path) -> None:
    """Without the others, also from a sub-folder; one that is not there is gone."""
    key = files.keep(RUN, "model-1", folder)
    for name, body in CONTENT.items():
        assert files.read(key, name) == body
    for name in ("other.json", "model", "manifest.json/x"):
        with pytest.raises(FilesGoneError):
            files.read(key, name)


def test_a_name_is_used_once(files: LabFiles, folder: Path, tmp_path: Path) -> None:
    """A second keep is refused, and the first stays as it is; other runs have the same name for themselves."""
    key = files.keep(RUN, "work", folder)
    other = written(tmp_path / "other", {"manifest.json": b"other", "more": b""})
    with pytest.raises(FileExistsError):
        files.keep(RUN, "work", other)
    assert content_of(files.fetch(key, tmp_path / "to")) == CONTENT
    assert content_of(files.fetch(files.keep(OTHER_RUN, "work", other), tmp_path / "others")) == content_of(other)


def test_half_kept_is_never_fetched(opened: Opened, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill before the last step of a keep leaves nothing to fetch, though files lie there; they go with the run."""
    with monkeypatch.context() as cut:
        opened.cut_keep(cut)
        with pytest.raises(KilledError):
            opened.files.keep(RUN, "work", folder)
    assert len(opened.names()) >= len(CONTENT)
    assert_gone(opened.files, f"{RUN}/work", tmp_path / "to")
    opened.files.drop_all(RUN)
    assert opened.names() == set()


def test_what_was_never_kept_is_gone(files: LabFiles, tmp_path: Path) -> None:
    """And to drop it is no error."""
    assert_gone(files, f"{RUN}/work", tmp_path / "to")
    files.drop(f"{RUN}/work")
    files.drop_all(RUN)


def test_dropped_is_gone(opened: Opened, folder: Path, tmp_path: Path) -> None:
    """And no other key with it, also not one whose name begins alike."""
    keys = [opened.files.keep(RUN, name, folder) for name in ("work-1-1", "work-1-10")]
    opened.files.drop(keys[0])
    assert_gone(opened.files, keys[0], tmp_path / "to")
    assert content_of(opened.files.fetch(keys[1], tmp_path / "other")) == CONTENT
    opened.files.drop(keys[1])
    assert opened.names() == set()


def test_all_of_a_run_are_dropped(opened: Opened, folder: Path, tmp_path: Path) -> None:
    """Except those of one key, if one is named, and those of other runs, also of one whose id begins alike."""
    keys = [opened.files.keep(RUN, name, folder) for name in ("work-1-1", "model-1", "model-10")]
    other = opened.files.keep(OTHER_RUN, "work-1-1", folder)
    opened.files.drop_all(RUN, but=keys[1])
    for key in (keys[0], keys[2]):
        assert_gone(opened.files, key, tmp_path / "to")
    assert content_of(opened.files.fetch(keys[1], tmp_path / "model")) == CONTENT
    opened.files.drop_all(RUN)
    assert_gone(opened.files, keys[1], tmp_path / "to")
    assert content_of(opened.files.fetch(other, tmp_path / "others")) == CONTENT
    opened.files.drop_all(OTHER_RUN)
    assert opened.names() == set()


def test_many_that_fetch_at_once_get_the_same(files: LabFiles, folder: Path, tmp_path: Path) -> None:
    """All of it, each of them, and nothing is left beside it."""
    key, together = files.keep(RUN, "model-1", folder), threading.Barrier(4)

    def fetch(_: int) -> dict[str, bytes]:
        together.wait()
        return content_of(files.fetch(key, tmp_path / "to" / "here"))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(fetch, range(4))) == [CONTENT] * 4
    assert {path.name for path in (tmp_path / "to").glob("*")} <= {"here"}


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", "/a", ".hidden", "a b", "a\x00", "é", "a" * 101])
def test_unsafe_names_are_refused(opened: Opened, folder: Path, tmp_path: Path, name: str) -> None:
    """As a run, as a name and in a key, for every use, and nothing is written."""
    files = opened.files
    for use in (
        lambda: files.keep(name, "work", folder),
        lambda: files.keep(RUN, name, folder),
        lambda: files.fetch(f"{RUN}/{name}", tmp_path / "to"),
        lambda: files.fetch(RUN, tmp_path / "to"),
        lambda: files.drop(f"{name}/work"),
        lambda: files.drop_all(name),
        lambda: files.drop_all(RUN, but=f"{RUN}/{name}"),
    ):
        with pytest.raises(ValueError, match="a name of files is"):
            use()
    assert opened.names() == set()


@pytest.mark.parametrize("path", ["", "..", "../../x", "/etc/passwd", "a/../b", "a//b", "./a", "a/", "a\n"])
def test_paths_that_lead_elsewhere_are_refused(files: LabFiles, folder: Path, path: str) -> None:
    """A file is read by its plain path below the folder alone."""
    key = files.keep(RUN, "work", folder)
    with pytest.raises(ValueError, match="a path below a folder"):
        files.read(key, path)


def test_a_link_leads_to_the_file(opened: Opened, folder: Path) -> None:
    """Where there are links; and there is none to what is not there."""
    key = opened.files.keep(RUN, "model-1", folder)
    link = opened.files.link(key, "manifest.json")
    if link is not None:
        assert link.split("?")[0].endswith(next(name for name in opened.names() if name.endswith("/manifest.json")))
        assert "Expires=300" in link or "Expires" in link
        with pytest.raises(FilesGoneError):
            opened.files.link(key, "other.json")
