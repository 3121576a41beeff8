"""Downloads, from a server on this machine that answers as the Hub does."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from model_layer.bake.download import download_folder
from model_layer.bake.sources import CATALOGUE
from model_layer.manifest import Manifest
from tests.integration.bake_command import assert_refused, bake_quickly, files_in, run_bake
from tests.tiny_models import make_tiny_model

PINNED = CATALOGUE["gpt2-medium"]  # the one without pinned hashes: a tiny model can stand in its place


class Hub(BaseHTTPRequestHandler):
    """Serves the files of `folder` at the pinned commit, whole or from a byte on, and notes which bytes were asked for."""

    folder: ClassVar[Path]
    asked: ClassVar[list[tuple[str, str, str | None]]]

    def do_HEAD(self) -> None:
        """Size and identity of a file."""
        self._answer()

    def do_GET(self) -> None:
        """A file, from the first byte of its range on."""
        self.wfile.write(self._answer())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> bytes:
        prefix = f"/{PINNED.repository}/resolve/{PINNED.revision}/"
        file = self.path.removeprefix(prefix)
        self.asked.append((self.command, file, self.headers["Range"]))
        content = (self.folder / file).read_bytes() if self.path.startswith(prefix) else b""
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200 if content else 404)
        self.send_header("ETag", '"0123"')
        self.send_header("X-Repo-Commit", PINNED.revision)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        return content[start:]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The address of a Hub that serves a tiny model."""
    Hub.folder, Hub.asked = make_tiny_model(tmp_path / "source"), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_download(hub: str, tmp_path: Path) -> None:
    """A catalogue model is downloaded at its pinned commit and baked as from a local folder."""
    result = run_bake("gpt2-medium", "--to", tmp_path / "one", "--skip-reference", hub_cache=tmp_path / "cache", hub=hub)
    assert result.returncode == 0, result.stderr
    (Hub.folder / "generation_config.json").unlink()
    bake_quickly(Hub.folder, tmp_path / "two")
    assert Manifest.read(tmp_path / "one").revision == PINNED.revision
    assert files_in(tmp_path / "one")["model.safetensors"] == files_in(tmp_path / "two")["model.safetensors"]


def test_download_goes_on(hub: str, tmp_path: Path) -> None:
    """A download that an earlier bake did not end is taken up where it stopped, and one that it did end is not repeated."""
    folder = download_folder(tmp_path / "cache" / "hub", PINNED)
    folder.mkdir(parents=True)
    shutil.copyfile(Hub.folder / "config.json", folder / "config.json")
    (folder / "model.safetensors.incomplete").write_bytes((Hub.folder / "model.safetensors").read_bytes()[:100_000])
    result = run_bake("gpt2-medium", "--to", tmp_path / "one", "--skip-reference", hub_cache=tmp_path / "cache", hub=hub)
    assert result.returncode == 0, result.stderr
    fetched = [(file, which) for command, file, which in Hub.asked if command == "GET" and "/" not in file]
    assert fetched == [("tokenizer.json", None), ("model.safetensors", "bytes=100000-")]


def test_not_on_the_hub(hub: str, tmp_path: Path) -> None:
    """A model that the Hub does not have at that commit is refused by one line."""
    assert_refused(
        run_bake("gpt2", "--to", tmp_path / "gpt2", "--skip-reference", hub_cache=tmp_path, hub=hub), "cannot download"
    )
