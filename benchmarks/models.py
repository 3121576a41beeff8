"""One model in every form that an engine reads, each made once from one float32 folder, under `.cache/benchmarks/`."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import REPOSITORY, NotHereError, interpreter, last_line, packages

CACHE = REPOSITORY / ".cache" / "benchmarks"
BAKED = REPOSITORY / ".models" / "gpt2"
RANDOM = "gpt2-random"
CONVERT_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a form is made from another: a module of `benchmarks.convert` run by a peer's interpreter."""

    module: str
    peer: str
    source: str
    precision: str


NARROW = ("float16", "int8")  # ours alone, and quick to bake again; what the peers read is made from float32
BAKES = ("float32", *NARROW)
RECIPES = {
    "onnx-float32": Recipe("to_onnx", "onnxruntime", "float32", "float32"),
    "onnx-int8": Recipe("to_onnx", "onnxruntime", "onnx-float32", "int8"),
    "ctranslate2-float32": Recipe("to_ctranslate2", "ctranslate2", "float32", "float32"),
    "ctranslate2-int8": Recipe("to_ctranslate2", "ctranslate2", "float32", "int8"),
    "gguf-float32": Recipe("to_gguf", "llama_cpp", "float32", "float32"),
    "gguf-float16": Recipe("to_gguf", "llama_cpp", "float32", "float16"),
}


class ModelFolders:
    """The forms of one source folder."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.name = source.resolve().name
        place = str(source.resolve())
        self._root = CACHE / f"{self.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"  # of another place, another folder

    @classmethod
    def of(cls, model: str | None) -> "ModelFolders":
        """Of a folder in the Hugging Face format; without one of `.models/gpt2` if it was baked, else of random weights."""
        if model:
            if not Path(model).is_dir():
                raise NotHereError(f"{model} is no folder: MODEL is a GPT-2 folder in the Hugging Face format")
            return cls(Path(model))
        return cls(BAKED if BAKED.is_dir() else _random_gpt2())

    def folder(self, form: str) -> Path:
        """The folder of a form, made if need be. Raises NotHereError."""
        target = self._root / form
        if target.is_dir() and not (form in NARROW and _older_than_code(target)):
            return target
        print(f"writing {self.name} as {form}")
        unfinished = self._root / f"{form}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        _run(self._bake(form, unfinished) if form in BAKES else self._convert(RECIPES[form], unfinished))
        shutil.rmtree(target, ignore_errors=True)
        return unfinished.rename(target)

    def _bake(self, dtype: str, target: Path) -> list[str]:
        name = ["--name", f"{self.name}-{dtype}", "--skip-reference"]
        return [sys.executable, "-m", "model_layer.bake", str(self.source), "--to", str(target), "--dtype", dtype, *name]

    def _convert(self, recipe: Recipe, target: Path) -> list[str]:
        python, source = interpreter(recipe.peer), self.folder(recipe.source)
        target.mkdir()
        lab = packages(Path(sys.executable))
        return [str(python), "-m", f"benchmarks.convert.{recipe.module}", str(source), str(target), str(lab), recipe.precision]


def _older_than_code(folder: Path) -> bool:
    """Whether the code that bakes was changed after the folder was written."""
    written = folder.stat().st_mtime
    return any(file.stat().st_mtime > written for file in (REPOSITORY / "model_layer").rglob("*.py"))


def _random_gpt2() -> Path:
    """GPT-2's true shape with random weights, and a tokenizer of its size."""
    folder = CACHE / RANDOM
    if not folder.is_dir():
        print("writing a GPT-2 with random weights")
        unfinished = folder.with_name("unfinished")
        _run([sys.executable, "-m", "benchmarks.random_gpt2", "--to", str(unfinished)])
        unfinished.rename(folder)
    return folder


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CONVERT_TIMEOUT_S, cwd=REPOSITORY)
    except subprocess.TimeoutExpired:
        raise NotHereError("its files took too long to write") from None
    if done.returncode != 0:
        raise NotHereError(f"its files cannot be written: {last_line(done.stderr)}")
