"""A run over a local file of requests, one a line, to a file of their results: no server, no queue, and it can be stopped."""

import hashlib
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from handler.api.contracts.precision import PrecisionBody
from handler.jobs.answering import answer_all
from handler.jobs.partial_file import PartialFile, RunKey, RunRefusedError, partial_file
from handler.jobs.reading import is_request, line_text, read_requests
from handler.jobs.result import RequestResult
from handler.jobs.run_progress import RunProgress
from handler.models import catalog_of
from handler.settings import Settings
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest
from model_layer.threads import use_threads

PIECE = 512  # requests that are sorted and run together: enough to fill the passes, few enough for any memory


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRun:
    """What to run. `seed` None goes on with that of the partial results, or draws one."""

    source: Path
    out: Path
    seed: str | None = None
    at_once: int | None = None
    restart: bool = False
    quiet: bool = False

    def run(self, settings: Settings) -> RunProgress:
        """Compute what is missing and write the results. Whatever ends it, the results so far are kept.

        Raises RunRefusedError, ModelNotFoundError, ModelNotLoadableError and OSError.
        """
        self._check()
        catalog = catalog_of(settings)
        manifest = catalog.manifest(catalog.default)
        key = self._key(manifest, settings)
        total = sum(1 for _ in numbered_lines(self.source))
        if not total:
            raise RunRefusedError(f"{self.source} holds no requests")
        with partial_file(self.out, key, restart=self.restart) as partial:
            with RunProgress(total, partial, quiet=self.quiet) as progress:
                model = catalog.get(manifest.name)
                use_threads(settings.compute_threads)
                for results in self._missing(model, manifest, partial, settings):
                    partial.append(results)
                    progress.count(results)
            if _sha256(self.source) != key.input_sha256:
                raise RunRefusedError(f"{self.source} has changed since the run began: --restart begins again")
            assert len(partial) == total, "each request has its result"
            partial.write_in_order(self.out)
        return progress

    def _check(self) -> None:
        if not self.source.is_file():
            raise RunRefusedError(f"{self.source} is no file" if self.source.exists() else f"{self.source} does not exist")
        if not self.out.parent.is_dir():
            raise RunRefusedError(f"there is no folder {self.out.parent}")
        if self.out.is_symlink() or (self.out.exists() and not self.out.is_file()):
            raise RunRefusedError(f"{self.out} is no regular file, which alone the results can replace")
        if self.out.exists() and self.out.samefile(self.source):
            raise RunRefusedError(f"{self.out} would take the place of its own requests")

    def _key(self, manifest: Manifest, settings: Settings) -> RunKey:
        return RunKey(
            input_sha256=_sha256(self.source),
            model=manifest.name,
            manifest_sha256=hashlib.sha256(json.dumps(asdict(manifest), sort_keys=True).encode()).hexdigest(),
            engine=settings.engine,
            prompt_characters=settings.prompt_characters,
            seed=self.seed,
        )

    def _missing(
        self, model: LanguageModel, manifest: Manifest, partial: PartialFile, limits: Settings
    ) -> Iterator[list[RequestResult]]:
        """The missing results as they come."""
        assert partial.key.seed is not None, "what was begun has its seed"
        precision = PrecisionBody.of(manifest)
        for lines in _pieces(self.source, but=partial.indices):
            requests, refused = read_requests(lines, model, seed=partial.key.seed, limits=limits)
            yield list(refused.values())
            for answers in answer_all(model, requests, at_once=self.at_once):
                yield [RequestResult.of(number, requests[number], answer, precision) for number, answer in answers]


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are requests, numbered from 0."""
    with path.open("rb") as file:
        for number, line in enumerate(filter(is_request, file)):
            yield number, line_text(line)


def _pieces(path: Path, *, but: Container[int]) -> Iterator[Mapping[int, str]]:
    missing = ((number, line) for number, line in numbered_lines(path) if number not in but)
    while piece := dict(islice(missing, PIECE)):
        yield piece


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
