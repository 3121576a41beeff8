"""Every engine that is measured: which worker speaks for it, with which interpreter, over which files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import NotHereError, interpreter
from benchmarks.models import ModelFolders


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """`worker` is a module of `benchmarks.workers`, `peer` an environment of `.peers`, `form` what `ModelFolders` makes."""

    name: str
    worker: str
    form: str
    peer: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    batches: bool = True  # the seed's would take minutes


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is here: installed, with its files."""

    spec: EngineSpec
    python: Path
    folder: Path

    @property
    def name(self) -> str:
        """The name in every table."""
        return self.spec.name


OURS = "ours float16"
OURS_FLOAT32 = "ours float32"
OURS_INT8 = "ours int8"
SEED = "seed"
LLAMA_FLOAT16 = "llama.cpp float16"
FLOAT32_LIBRARIES = ("transformers, cache", "torch by hand", "ONNX Runtime float32", "CTranslate2 float32", "llama.cpp float32")

SPECS = (
    EngineSpec(OURS, "ours", "float16"),
    EngineSpec(OURS_FLOAT32, "ours", "float32"),
    EngineSpec(OURS_INT8, "ours", "int8"),
    EngineSpec("ours float16, NumPy alone", "ours", "float16", environment={"ENGINE": "numpy"}),
    EngineSpec(SEED, "seed", "float32", batches=False),
    EngineSpec("transformers, cache", "transformers_cached", "float32"),
    EngineSpec("torch by hand", "torch_forward", "float32"),
    EngineSpec("ONNX Runtime float32", "onnx_runtime", "onnx-float32", "onnxruntime"),
    EngineSpec("ONNX Runtime int8", "onnx_runtime", "onnx-int8", "onnxruntime"),
    EngineSpec("CTranslate2 float32", "ctranslate2_generator", "ctranslate2-float32", "ctranslate2"),
    EngineSpec("CTranslate2 int8", "ctranslate2_generator", "ctranslate2-int8", "ctranslate2"),
    EngineSpec("llama.cpp float32", "llama_cpp_context", "gguf-float32", "llama_cpp"),
    EngineSpec(LLAMA_FLOAT16, "llama_cpp_context", "gguf-float16", "llama_cpp"),
)


def find(folders: ModelFolders, specs: Sequence[EngineSpec] = SPECS) -> tuple[list[Engine], dict[str, str]]:
    """The engines that are here, and why each other one is not."""
    here: list[Engine] = []
    not_here: dict[str, str] = {}
    for spec in specs:
        try:
            here.append(Engine(spec, interpreter(spec.peer), folders.folder(spec.form)))
        except NotHereError as error:
            not_here[spec.name] = str(error)
    return here, not_here
