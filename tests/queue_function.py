"""The function that works jobs off, just started, and what its tests do with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handler import wiring
from handler.jobs.job import Job, Message
from handler.jobs.request import JobRequest
from handler.wheel.ledger import Write
from handler.wiring import Application
from tests.api_client import tiny_model_folder


@contextmanager
def started_function(data_folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[Application]:
    """The application behind the entry point, with the tiny model, as a fresh environment has it."""
    for name, value in {"MODEL": str(tiny_model_folder()), "DATA_FOLDER": str(data_folder), **variables}.items():
        monkeypatch.setenv(name, value)
    wiring.application.cache_clear()
    yield wiring.application()
    wiring.application().close()
    wiring.application.cache_clear()


def submit(application: Application, prompts: Sequence[str], *, new: int = 5) -> Job:
    """A job of a completion for each prompt, by fixed seeds: none must end by chance before its length."""
    requests = [JobRequest(prompt=prompt, max_new_tokens=new, seed=f"fixed {index}") for index, prompt in enumerate(prompts)]
    return application.desk.submit(requests, model_name=None, name=None, write=Write())


def kept(application: Application, job: Job) -> list[int]:
    """The tasks that have a result."""
    return [result.index for result in application.desk.store.results(job.id, limit=1000)]


def messages(job: Job, indices: Sequence[int]) -> list[Message]:
    """The messages of some tasks."""
    return [Message(job.id, index) for index in indices]


def break_passes_of(
    application: Application, monkeypatch: pytest.MonkeyPatch, prompt: str, *, error: type[BaseException] = MemoryError
) -> None:
    """Let every forward pass fail in which this prompt begins."""
    model = application.model()
    poison = tuple(model.encode(prompt))
    advance = model.advance

    def breaking(sequences: Any) -> Any:
        if any(tuple(one.new_ids)[: len(poison)] == poison for one in sequences):
            raise error
        return advance(sequences)

    monkeypatch.setattr(model, "advance", breaking)
