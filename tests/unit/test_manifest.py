import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_layer.errors import ModelNotLoadableError
from model_layer.manifest import MANIFEST_FILE, FileRecord, Manifest

MANIFEST = Manifest(
    name="tiny",
    description="a café's model",
    source="example/tiny",
    revision="0123abc",
    license="MIT",
    architecture="GPT2LMHeadModel",
    dtype="float16",
    parameters=1234,
    vocab_size=300,
    context_window=32,
    files={"config.json": FileRecord("ab" * 32, 5)},
    source_files={"model.safetensors": FileRecord("cd" * 32, 7)},
    numerics={"max_kl": 1.2e-5},
    checks={"reference": {"bound": 1e-4}},
)


def damaged(folder: Path, **changes: Any) -> Path:
    """Write MANIFEST with some of its JSON values changed."""
    MANIFEST.write(folder)
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_round_trip(tmp_path: Path) -> None:
    """A manifest that is written and read again is the same manifest."""
    MANIFEST.write(tmp_path)
    assert Manifest.read(tmp_path) == MANIFEST


def test_same_bytes(tmp_path: Path) -> None:
    """The same manifest is written as the same bytes, also after a round trip."""
    MANIFEST.write(tmp_path)
    first = (tmp_path / MANIFEST_FILE).read_bytes()
    Manifest.read(tmp_path).write(tmp_path)
    assert (tmp_path / MANIFEST_FILE).read_bytes() == first


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"dtype": "int4"},
        {"name": None},
        {"parameters": "many"},
        {"vocab_size": True},
        {"files": []},
        {"files": {"config.json": {"sha256": "ab"}}},
        {"files": {"../config.json": {"sha256": "ab", "bytes": 5}}},
        {"files": {"config.json": 5}},
        {"numerics": None},
        {"numerics": {"max_kl": "small"}},
        {"numerics": {"max_kl": True}},
    ],
)
def test_not_a_manifest(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A manifest of another format, with a value of the wrong type, or with a file elsewhere is refused."""
    with pytest.raises(ModelNotLoadableError, match="cannot be read"):
        Manifest.read(damaged(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "\x80"])
def test_not_json(tmp_path: Path, text: str) -> None:
    """A file that holds no manifest at all is refused by a named error."""
    (tmp_path / MANIFEST_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(ModelNotLoadableError, match="cannot be read"):
        Manifest.read(tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    """A folder without a manifest is refused with the command that makes one."""
    with pytest.raises(ModelNotLoadableError, match="bake it with python"):
        Manifest.read(tmp_path)


def test_sizes(tmp_path: Path) -> None:
    """Sizes are right exactly when every file is there in full length."""
    manifest = replace(MANIFEST, files={"config.json": FileRecord("", 5), "model.safetensors": FileRecord("", 3)})
    (tmp_path / "config.json").write_bytes(b"12345")
    with pytest.raises(ModelNotLoadableError, match=r"model.safetensors is missing"):
        manifest.check_sizes(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"12")
    with pytest.raises(ModelNotLoadableError, match="2 bytes long"):
        manifest.check_sizes(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"123")
    manifest.check_sizes(tmp_path)
