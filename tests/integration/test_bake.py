"""What a bake gives: a standard folder, proved, described, the same bytes each time."""

import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers import GPT2LMHeadModel

from model_layer.bake.baking import Order, bake
from model_layer.bake.sources import CATALOGUE, PinnedModel
from model_layer.bake.verify import file_records, holds
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest
from model_layer.token_table import TokenTable
from tests.integration.bake_command import (
    REPOSITORY,
    bake_quickly,
    cached_in,
    command,
    environment,
    files_in,
    run_bake,
    split_tokenizer,
)
from tests.tiny_models import SENTENCES, make_tiny_model


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random GPT-2 as transformers saves it."""
    return make_tiny_model(tmp_path_factory.mktemp("source") / "fox")


@pytest.fixture(scope="module")
def baked(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, baked with every check."""
    target = tmp_path_factory.mktemp("models") / "fox"
    result = run_bake(source, "--to", target, "--license", "CC0-1.0", "--origin", "our tests", "--description", "A fox.")
    assert (result.returncode, result.stderr) == (0, "")
    return target


def test_manifest_describes_the_model(baked: Path) -> None:
    """The manifest says what was asked, counts what is there and holds the hash of every file."""
    manifest = Manifest.read(baked)
    config = json.loads((baked / "config.json").read_text())
    assert (manifest.name, manifest.license, manifest.source) == ("fox", "CC0-1.0", "our tests")
    assert (manifest.vocab_size, manifest.context_window) == (config["vocab_size"], config["n_positions"])
    assert manifest.parameters == sum(p.numel() for p in GPT2LMHeadModel.from_pretrained(baked).parameters())
    assert set(manifest.files) | {"manifest.json"} == set(files_in(baked))
    assert TokenTable.read(baked) is not None
    assert holds(manifest, baked)


def test_manifest_states_the_error(baked: Path) -> None:
    """The manifest states how far float16 moves the distributions, and that our engine and transformers agree to 1e-4."""
    manifest = Manifest.read(baked)
    assert manifest.dtype == "float16"
    assert 0 < manifest.numerics["max_kl"] < 1e-3
    assert 0 < manifest.numerics["max_log_probability_change"] < 5e-2
    assert 0 <= manifest.checks["reference"]["max_log_probability_change"] <= 1e-4


def test_standard_folder(baked: Path) -> None:
    """Transformers finds every tensor that it looks for and none besides, in the precision that config.json names."""
    loaded: Any = GPT2LMHeadModel.from_pretrained(baked, output_loading_info=True)
    model, report = loaded
    assert not any(report.values()), report
    assert {str(parameter.dtype) for parameter in model.parameters()} == {"torch.float16"}


def test_float32_is_exact(source: Path, tmp_path: Path) -> None:
    """A float32 bake gives the very logits of its source."""
    assert bake_quickly(source, tmp_path / "fox", "--dtype", "float32").returncode == 0
    ours, theirs = LanguageModel.open(tmp_path / "fox"), LanguageModel.open(source)
    token_ids = ours.encode(SENTENCES[0])
    assert np.array_equal(ours.next_logits(token_ids), theirs.next_logits(token_ids))
    numerics = dict(Manifest.read(tmp_path / "fox").numerics)
    assert numerics.pop("contexts") > 200
    assert numerics.pop("top_1_agreement") == 1
    assert set(numerics.values()) == {0}


def test_same_bytes(source: Path, tmp_path: Path) -> None:
    """Two bakes of one source are the same byte for byte, wherever source and target lie."""
    shutil.copytree(source, tmp_path / "copy")
    bake_quickly(source, tmp_path / "one" / "fox")
    bake_quickly(tmp_path / "copy", tmp_path / "two" / "fox")
    assert files_in(tmp_path / "one" / "fox") == files_in(tmp_path / "two" / "fox")


def test_buffers_and_tied_head_are_dropped(source: Path, tmp_path: Path) -> None:
    """Old files, with names without prefix, mask buffers and a copy of the tied output layer, bake to the same weights."""
    shutil.copytree(source, tmp_path / "old")
    tensors = {name.removeprefix("transformer."): value for name, value in load_file(source / "model.safetensors").items()}
    tensors["h.0.attn.bias"] = np.tril(np.ones((1, 1, 64, 64), np.float32))
    tensors["h.0.attn.masked_bias"] = np.array(-1e4, np.float32)
    tensors["lm_head.weight"] = tensors["wte.weight"].copy()
    save_file(tensors, tmp_path / "old" / "model.safetensors")
    for folder in (source, tmp_path / "old"):
        assert bake_quickly(folder, tmp_path / f"baked-{folder.name}").returncode == 0
    assert files_in(tmp_path / "baked-old")["model.safetensors"] == files_in(tmp_path / "baked-fox")["model.safetensors"]


def test_untied_head_is_kept(tmp_path: Path) -> None:
    """An output layer of its own is baked and used."""
    source = make_tiny_model(tmp_path / "source", tie_word_embeddings=False)
    assert bake_quickly(source, tmp_path / "fox", "--dtype", "float32").returncode == 0
    ours, theirs = LanguageModel.open(tmp_path / "fox"), LanguageModel.open(source)
    assert np.array_equal(ours.next_logits([1, 2]), theirs.next_logits([1, 2]))


def test_vocabulary_and_merges(source: Path, tmp_path: Path) -> None:
    """A folder with vocab.json and merges.txt alone bakes to a tokenizer.json, and its index, that give the same token ids."""
    shutil.copytree(source, tmp_path / "old")
    split_tokenizer(tmp_path / "old")
    assert bake_quickly(tmp_path / "old", tmp_path / "fox").returncode == 0
    assert set(files_in(tmp_path / "fox")) >= {"tokenizer.json"}
    assert TokenTable.read(tmp_path / "fox") is not None
    ours, theirs = LanguageModel.open(tmp_path / "fox"), LanguageModel.open(source)
    for text in (*SENTENCES, "café \U0001f600<|endoftext|>\n\x00"):
        assert ours.encode(text) == theirs.encode(text)
        assert ours.decode(ours.encode(text)) == text


def test_readable_for_all(source: Path, tmp_path: Path) -> None:
    """Whatever the umask, folders have mode 0755 and files 0644, also where the source's do not."""
    (source / "model.safetensors").chmod(0o600)
    target = tmp_path / "new" / "deep" / "fox"
    assert bake_quickly(source, target, umask=0o077).returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [target, *target.iterdir(), *target.parents[:2]]}
    assert {modes.pop(folder) for folder in ("fox", "deep", "new")} == {0o755}
    assert set(modes.values()) == {0o644}


def test_catalogue_from_the_cache(source: Path, tmp_path: Path) -> None:
    """A catalogue model in the Hub's cache is baked without a network under its pin; once baked it needs no cache either."""
    pinned = CATALOGUE["gpt2-medium"]  # the one without pinned hashes: a tiny model can stand in its place
    cached_in(tmp_path, pinned, source)
    for _ in range(2):
        result = run_bake("gpt2-medium", "--to", tmp_path / "gpt2-medium", "--skip-reference", hub_cache=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        manifest = Manifest.read(tmp_path / "gpt2-medium")
        assert (manifest.source, manifest.revision, manifest.license) == (pinned.repository, pinned.revision, pinned.license)
        shutil.rmtree(tmp_path / "hub", ignore_errors=True)


def test_a_pinned_model_in_a_local_folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local folder is labelled with a pin's repository only while configuration, tokenizer and weights are all the pinned."""
    folder = Path(shutil.copytree(source, tmp_path / "copy"))
    files = ("config.json", "tokenizer.json", "model.safetensors")
    sha256 = {file: record.sha256 for file, record in file_records(folder, files).items()}
    labels = {"description": "A fox.", "repository": "forest/fox", "revision": "1" * 40, "license": "MIT"}
    monkeypatch.setitem(CATALOGUE, "fox", PinnedModel(name="fox", sha256=sha256, **labels))

    def label() -> tuple[str, str, str]:
        manifest = bake(Order(source=str(folder), target=tmp_path / "baked", skip_reference=True))
        return manifest.source, manifest.revision, manifest.license

    assert label() == ("forest/fox", "1" * 40, "MIT")
    for file in files[:2]:
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole + b"\n")
        assert label() == ("a local folder", f"sha256:{sha256['model.safetensors']}", "unknown")
        (folder / file).write_bytes(whole)


def test_identical_bake_is_left_alone(source: Path, tmp_path: Path) -> None:
    """A second bake of the same leaves every file untouched; another precision, or a damaged file, bakes anew."""
    target = tmp_path / "fox"

    def bake_again(*arguments: str) -> int:
        assert bake_quickly(source, target, *arguments).returncode == 0
        assert holds(Manifest.read(target), target)
        return target.stat().st_ino

    first = bake_again()
    assert bake_again() == first
    assert bake_again("--dtype", "float32") != first
    assert Manifest.read(target).dtype == "float32"
    weights = target / "model.safetensors"
    damaged = weights.read_bytes()[:-4] + b"\0\0\0\1"
    weights.unlink()  # a new file: the old one may still be mapped
    weights.write_bytes(damaged)
    bake_again("--dtype", "float32")


def test_two_bakes_at_once(source: Path, tmp_path: Path) -> None:
    """Bakes of one target at the same time all succeed, one after another, and leave one whole folder."""
    line = command(source, "--to", tmp_path / "fox", "--skip-reference")
    bakes = [subprocess.Popen(line, cwd=REPOSITORY, env=environment(tmp_path)) for _ in range(3)]
    assert [process.wait() for process in bakes] == [0, 0, 0]
    assert holds(Manifest.read(tmp_path / "fox"), tmp_path / "fox")
    assert [path.name for path in tmp_path.iterdir()] == ["fox"]
