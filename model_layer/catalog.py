"""The models that exist here: folders with a manifest, found once, each loaded when it is first asked for."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from model_layer.errors import ModelNotFoundError, ModelNotLoadableError
from model_layer.language_model import PREFIX_CACHE_BYTES, Engine, LanguageModel
from model_layer.manifest import MANIFEST_FILE, Manifest
from model_layer.provider import ModelProvider, NoModels

BUNDLED_FOLDER = Path(__file__).parent / "storybook" / "baked"
PREFERRED = ("gpt2", "storybook")
MOST_PROVIDED = 2  # of a provider's models in memory: to compare one with another

log = logging.getLogger(__name__)


class ModelCatalog:
    """Models by name. Thread-safe: a model is loaded once however many threads ask, and others load meanwhile.

    The folders it was made of stay; of those that a provider has, few are in memory at a time, and none that it has no more.
    `prefix_cache_bytes` (the setting `prefix_cache_mb`) bounds the prefix cache of each loaded model: a process that has
    loaded three models may hold three times as much.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        default: str,
        *,
        engine: Engine = "kernel",
        prefix_cache_bytes: int = PREFIX_CACHE_BYTES,
        provider: ModelProvider | None = None,
    ) -> None:
        """Read the manifests of `folders`; raises ModelNotFoundError when `default` is none of them."""
        self.default = default
        self._folders = dict(folders)
        self._manifests = {name: Manifest.read(folder) for name, folder in folders.items()}
        self._engine = engine
        self._prefix_cache_bytes = prefix_cache_bytes
        self._provider = provider or NoModels()
        self._locks: dict[str, threading.Lock] = {}
        self._changing = threading.RLock()
        self._models: dict[str, LanguageModel] = {}  # a provider's that was asked for last comes last
        self._load_ms: dict[str, float] = {}
        self._dropped_passes = 0
        self.manifest(default)

    @classmethod
    def discover(
        cls,
        roots: Sequence[Path],
        *,
        wanted: str | None,
        engine: Engine = "kernel",
        prefix_cache_bytes: int = PREFIX_CACHE_BYTES,
        provider: ModelProvider | None = None,
    ) -> Self:
        """The baked folders in `roots` (the first of a name wins) and the bundled storybook model.

        `wanted` is the name of one of them, or the path of a baked folder anywhere, and becomes the default; without it
        the default is gpt2 if it is there, else storybook. Raises ModelNotFoundError, which names the command to run,
        when there is no such model, and ModelNotLoadableError when `wanted` is a folder that was not baked.
        """
        folders: dict[str, Path] = {}
        for name, folder in _baked_folders(roots):
            folders.setdefault(name, folder)
        default = wanted or next((name for name in PREFERRED if name in folders), PREFERRED[0])
        if wanted and wanted not in folders and Path(wanted).is_dir():
            default = Manifest.read(Path(wanted)).name
            folders[default] = Path(wanted)
        if default not in folders:
            raise ModelNotFoundError(f"there is no model {default!r} here: run make bake MODEL={default}")
        return cls(folders, default, engine=engine, prefix_cache_bytes=prefix_cache_bytes, provider=provider)

    @property
    def forward_passes(self) -> int:
        """How many forward passes all models have run, also those that are in memory no more."""
        with self._changing:
            return self._dropped_passes + sum(model.forward_passes for model in self._models.values())

    def names(self) -> list[str]:
        """Names of all models, sorted."""
        return sorted({*self._folders, *self._provider.names()})

    def manifest(self, name: str) -> Manifest:
        """The manifest of a model, without loading it. Raises ModelNotFoundError."""
        found = self._manifests.get(name) or self._provider.manifest(name)
        if found is None:
            self._drop(name)
            raise self._not_found()
        return found

    def folder(self, name: str) -> Path:
        """Where a model's files lie. Raises ModelNotFoundError."""
        self.manifest(name)
        found = self._folders.get(name) or self._provider.folder(name)
        if found is None:
            raise self._not_found()
        return found

    def get(self, name: str) -> LanguageModel:
        """The model, loaded at the first call. Raises ModelNotFoundError or ModelNotLoadableError."""
        manifest = self.manifest(name)
        with self._locks.setdefault(name, threading.Lock()):
            model = self._models.get(name) or self._opened(name, manifest)
            self._note_use(name, model)
        return model

    def load_ms(self, name: str) -> float:
        """Milliseconds that opening a loaded model took. Raises KeyError for one that is not loaded."""
        return self._load_ms[name]

    def is_loaded(self, name: str) -> bool:
        """Whether a call to `get` would answer without loading."""
        return name in self._models

    def _not_found(self) -> ModelNotFoundError:
        """The name may be what a student typed, so the message lists ours instead."""
        return ModelNotFoundError(f"no model of that name here; there are: {', '.join(self.names())}")

    def _opened(self, name: str, manifest: Manifest) -> LanguageModel:
        started = time.perf_counter()
        folder = self.folder(name)
        manifest.check_sizes(folder)
        model = LanguageModel.open(folder, name=name, engine=self._engine, prefix_cache_bytes=self._prefix_cache_bytes)
        self._load_ms[name] = (time.perf_counter() - started) * 1000
        return model

    def _note_use(self, name: str, model: LanguageModel) -> None:
        """Keep the model; of a provider's, the one that was not asked for the longest goes when there are too many."""
        with self._changing:
            if name not in self._folders:
                self._models.pop(name, None)
            self._models[name] = model
            provided = [one for one in self._models if one not in self._folders]
            for one in provided[:-MOST_PROVIDED]:
                self._drop(one)

    def _drop(self, name: str) -> None:
        """Let go of a model that whoever is at work with it still has."""
        with self._changing:
            model = self._models.pop(name, None)
            self._dropped_passes += 0 if model is None else model.forward_passes


def _baked_folders(roots: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Name and folder of every readable manifest; one damaged folder must not keep the others from being served."""
    candidates = [folder for root in roots if root.is_dir() for folder in sorted(root.iterdir())]
    for folder in [*candidates, BUNDLED_FOLDER]:
        if folder.name.startswith(".") or not (folder / MANIFEST_FILE).is_file():
            continue
        try:
            yield Manifest.read(folder).name, folder
        except ModelNotLoadableError as error:
            log.warning("model folder left out: %s", error)
