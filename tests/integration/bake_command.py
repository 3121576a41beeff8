"""The bake as a person runs it: a command in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from model_layer.bake.sources import PinnedModel

REPOSITORY = Path(__file__).parents[2]
CLOSED_PORT = "http://127.0.0.1:9"


def command(*arguments: object) -> list[str]:
    """The command line of a bake."""
    return [sys.executable, "-m", "model_layer.bake", *map(str, arguments)]


def environment(hub_cache: Path) -> dict[str, str]:
    """An environment in which the Hub cannot be reached and its cache is `hub_cache`; one thread is enough for a tiny model."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return kept | threads | {"HF_HOME": str(hub_cache), "HF_ENDPOINT": CLOSED_PORT}


def run_bake(
    *arguments: object, hub_cache: Path = Path("/nonexistent"), hub: str = CLOSED_PORT, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a bake to its end."""
    env = environment(hub_cache) | {"HF_ENDPOINT": hub}
    return subprocess.run(command(*arguments), cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False, **options)


def bake_quickly(source: Path, target: Path, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a bake without the check against transformers, which takes seconds."""
    return run_bake(source, "--to", target, "--skip-reference", *arguments, **options)


def assert_refused(result: subprocess.CompletedProcess[str], because: str) -> None:
    """One line on standard error that names the reason, exit code 1."""
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("bake: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert because in result.stderr


def files_in(folder: Path) -> dict[str, bytes]:
    """Content of every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def cached_in(hub_cache: Path, pinned: PinnedModel, source: Path) -> Path:
    """Put the files of `source` where huggingface_hub keeps those of `pinned` once it has downloaded them."""
    snapshot = hub_cache / "hub" / f"models--{pinned.repository.replace('/', '--')}" / "snapshots" / pinned.revision
    shutil.copytree(source, snapshot)
    return snapshot


def split_tokenizer(folder: Path) -> None:
    """Replace the folder's tokenizer.json by the vocab.json and merges.txt of old models."""
    bpe = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(bpe["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
