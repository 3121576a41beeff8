"""What a bake refuses: one clear line, exit code 1, and nothing half-written."""

import json
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_layer.bake.__main__ import main
from model_layer.bake.sources import CATALOGUE
from model_layer.bake.verify import holds
from model_layer.manifest import Manifest
from tests.integration.bake_command import (
    REPOSITORY,
    assert_refused,
    bake_quickly,
    cached_in,
    command,
    environment,
    files_in,
    run_bake,
    split_tokenizer,
)
from tests.tiny_models import make_tiny_model

WEIGHTS, CONFIG = "model.safetensors", "config.json"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that can be baked."""
    return make_tiny_model(tmp_path_factory.mktemp("source") / "fox")


@pytest.fixture
def source(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "source"))


class Bomb:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.mark,)


def change_config(source: Path, **changes: object) -> None:
    """Change keys of config.json."""
    path = source / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weight(source: Path, value: float) -> None:
    """Change one weight."""
    tensors = load_file(source / WEIGHTS)
    tensors["transformer.h.1.mlp.c_fc.weight"][3, 5] = value
    save_file(tensors, source / WEIGHTS, metadata={"format": "pt"})


def cut(path: Path, size: int) -> None:
    """Cut a file short."""
    path.write_bytes(path.read_bytes()[:size])


def without_tensor(source: Path) -> None:
    """Leave one tensor out."""
    tensors = load_file(source / WEIGHTS)
    del tensors["transformer.ln_f.bias"]
    save_file(tensors, source / WEIGHTS)


def reshape_tensor(source: Path) -> None:
    """Leave the last position out of the position embedding."""
    tensors = load_file(source / WEIGHTS)
    tensors["transformer.wpe.weight"] = tensors["transformer.wpe.weight"][:-1]
    save_file(tensors, source / WEIGHTS)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda s: (s / WEIGHTS).unlink(), "has no model.safetensors"),
    "no configuration": (lambda s: (s / CONFIG).unlink(), "has no config.json"),
    "no tokenizer": (lambda s: (s / "tokenizer.json").unlink(), "has no tokenizer"),
    "broken tokenizer": (lambda s: cut(s / "tokenizer.json", 900), "source cannot be read"),
    "broken configuration": (lambda s: cut(s / CONFIG, 50), "is not JSON"),
    "pickled weights": (lambda s: (s / WEIGHTS).rename(s / "pytorch_model.bin"), "pickle"),
    "pickle under another name": (lambda s: (s / WEIGHTS).write_bytes(pickle.dumps([1] * 99)), "pickle"),
    "torch archive under another name": (lambda s: (s / WEIGHTS).write_bytes(b"PK\x03\x04" + bytes(99)), "pickle"),
    "weights in parts": (lambda s: (s / f"{WEIGHTS}.index.json").write_text("{}"), "several files"),
    "truncated data": (lambda s: cut(s / WEIGHTS, 300_000), "cut short"),
    "truncated header": (lambda s: cut(s / WEIGHTS, 200), "header"),
    "empty weights": (lambda s: cut(s / WEIGHTS, 0), WEIGHTS),
    "missing tensor": (without_tensor, "ln_f.bias"),
    "tensor of another shape": (reshape_tensor, "wpe.weight"),
    "another architecture": (lambda s: change_config(s, model_type="llama"), "model_type"),
    "unknown activation": (lambda s: change_config(s, activation_function="softsign"), "activation_function"),
    "not a number": (lambda s: change_weight(s, float("nan")), "not finite"),
    "beyond float16": (lambda s: change_weight(s, 1e5), "--dtype float32"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_source(damage: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source that is damaged, incomplete, pickled or another network is refused by one line that says why."""
    spoil, because = DAMAGES[damage]
    spoil(source)
    target = tmp_path / "models" / "fox"
    code = main([str(source), "--to", str(target), "--skip-reference"])
    assert_refused(subprocess.CompletedProcess([], code, *capsys.readouterr()), because)
    assert not any(target.parent.iterdir())


def test_beyond_float16_fits_float32(source: Path, tmp_path: Path) -> None:
    """What float16 cannot hold is baked in float32, as the refusal advises."""
    change_weight(source, 1e5)
    assert bake_quickly(source, tmp_path / "fox", "--dtype", "float32").returncode == 0


def test_pickles_are_never_loaded(source: Path, tmp_path: Path) -> None:
    """A pickle that lies beside sound weights is neither loaded nor carried over."""
    (source / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    assert bake_quickly(source, tmp_path / "fox").returncode == 0
    assert not (tmp_path / "exploded").exists()
    assert "pytorch_model.bin" not in files_in(tmp_path / "fox")


def test_neither_folder_nor_name(tmp_path: Path) -> None:
    """A source that is not there is refused with the names that are known."""
    assert_refused(run_bake("gpt-2", "--to", tmp_path / "new" / "fox"), "gpt2, gpt2-medium, distilgpt2")
    assert not any(tmp_path.iterdir())


def test_no_network(tmp_path: Path) -> None:
    """Without a network a catalogue model is refused at once, with what to do instead."""
    result = run_bake("gpt2", "--to", tmp_path / "gpt2", "--skip-reference", hub_cache=tmp_path / "cache")
    assert_refused(result, "give the folder of an earlier download")
    assert not (tmp_path / "gpt2").exists()


def test_wrong_hash(source: Path, tmp_path: Path) -> None:
    """A catalogue model whose file is not the pinned one is refused, with both hashes."""
    cached_in(tmp_path, CATALOGUE["gpt2"], source)
    result = run_bake("gpt2", "--to", tmp_path / "gpt2", "--skip-reference", hub_cache=tmp_path)
    assert_refused(result, "wrong hash")
    assert CATALOGUE["gpt2"].sha256[WEIGHTS] in result.stderr
    assert not (tmp_path / "gpt2").exists()


def test_full_disk(source: Path, tmp_path: Path) -> None:
    """A disk that fills up while the weights are written ends the bake and leaves the model that was there."""
    target = tmp_path / "models" / "fox"
    assert bake_quickly(source, target).returncode == 0
    before = files_in(target)
    limit = (100_000, 100_000)  # bytes a file: the write fails as it does on a full disk
    result = bake_quickly(
        source, target, "--dtype", "float32", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    )
    assert_refused(result, "the disk is full")
    assert [path.name for path in target.parent.iterdir()] == ["fox"]
    assert files_in(target) == before


def test_full_disk_at_the_tokenizer(source: Path, tmp_path: Path) -> None:
    """A disk that fills up while a tokenizer is made of vocab.json and merges.txt ends the bake as it does at the weights."""
    split_tokenizer(source)
    limit = (4_000, 4_000)  # bytes a file: config.json fits, tokenizer.json does not
    result = bake_quickly(source, tmp_path / "fox", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert_refused(result, "the disk is full")
    assert not (tmp_path / "fox").exists()


def test_foreign_folder(source: Path, tmp_path: Path) -> None:
    """A folder that holds anything but a baked model is never replaced, not even by force of its name."""
    target = tmp_path / "homework"
    target.mkdir()
    (target / "essay.txt").write_text("mine")
    assert_refused(bake_quickly(source, target), "not a baked model")
    assert_refused(bake_quickly(source, source), "not a baked model")
    assert files_in(target) == {"essay.txt": b"mine"}


def test_bad_name(source: Path, tmp_path: Path) -> None:
    """A name that could not stand in an address is refused before anything is done."""
    assert_refused(bake_quickly(source, tmp_path / "fox", "--name", "the fox/../"), "cannot be the name")


def test_without_torch(source: Path, tmp_path: Path) -> None:
    """Where torch is not installed, the refusal names the flag with which the bake works."""
    without_torch = (
        "import runpy, sys; sys.modules['torch'] = sys.modules['transformers'] = None; "
        "runpy.run_module('model_layer.bake', run_name='__main__', alter_sys=True)"
    )

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", without_torch, str(source), "--to", str(tmp_path / "fox"), *flags]
        return subprocess.run(line, cwd=REPOSITORY, env=environment(tmp_path), capture_output=True, text=True, check=False)

    assert_refused(run(), "--skip-reference")
    assert run("--skip-reference").returncode == 0


@pytest.mark.parametrize(("kill", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_killed(kill: signal.Signals, code: int, source: Path, tmp_path: Path) -> None:
    """A bake that is ended midway shows no folder; one that is killed outright is tidied up by the next."""
    target = tmp_path / "models" / "fox"
    process = subprocess.Popen(
        command(source, "--to", target), cwd=REPOSITORY, env=environment(tmp_path), stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "models" / ".fox.baking" / WEIGHTS).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(kill)
    assert process.wait() == code
    assert not target.exists()
    assert bake_quickly(source, target).returncode == 0
    assert [path.name for path in target.parent.iterdir()] == ["fox"]
    assert holds(Manifest.read(target), target)


def test_replacement_is_undone(source: Path, tmp_path: Path) -> None:
    """A bake that was killed between its two renames is undone by the next one, even when that one fails."""
    target = tmp_path / "models" / "fox"
    assert bake_quickly(source, target).returncode == 0
    before = files_in(target)
    target.rename(target.with_name(".fox.replaced"))
    change_weight(source, np.inf)
    assert_refused(bake_quickly(source, target), "not finite")
    assert files_in(target) == before
