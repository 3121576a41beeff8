"""Logs and metrics. They see route templates, statuses, times and error types: no path, query, body or message ever.

On Lambda metrics are EMF lines in the log, elsewhere Prometheus text; both say the same.
"""

import logging
import sys
import traceback
import uuid
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from aws_lambda_powertools import Logger

from handler.settings import Settings

SERVICE = "token-wheel"
REQUEST_ID = "wheel.request_id"  # key in the ASGI scope
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """What is known of an answered request. `route` is a template such as /api/sessions/{session_id}."""

    method: str
    route: str
    status: int
    duration_ms: float
    request_id: str


class Metrics(Protocol):
    """Where request metrics go."""

    def count(self, request: RequestRecord) -> None:
        """Count an answered request and its duration."""

    def worked(self, delivered: int, finished: int) -> None:
        """Count messages of jobs, and how many of them need not come again."""

    def exposition(self) -> bytes | None:
        """All metrics as Prometheus text, or None where they are not served over HTTP."""


class Telemetry:
    """One structured line for each request and each failure, and the metrics beside it."""

    def __init__(self, settings: Settings, *, forward_passes: Callable[[], int]) -> None:
        """`forward_passes` tells how many forward passes this process has run."""
        self._log = Logger(
            service=SERVICE,
            level=settings.log_level,
            logger_handler=_StdoutHandler(),
            use_rfc3339=True,
            utc=True,
            location=None,  # always a line of this file
        )
        self._metrics = _metrics(settings, forward_passes)

    def request(self, request: RequestRecord) -> None:
        """Log and count an answered request."""
        fields = {name: getattr(request, name) for name in RequestRecord.__slots__}
        self._log.info("request", **fields)
        self._metrics.count(request)

    def failure(self, error: BaseException, *, request_id: str) -> None:
        """Log an error and its causes by type and place. Its message is left out: it may quote what it failed on."""
        self._log.error("failure", causes=[_place(cause) for cause in _chain(error)], request_id=request_id)

    def task_failed(self, error: Exception) -> None:
        """Log what kept a task of a job from its result; it comes again, or ends among the dead letters."""
        self._log.error("task failed", causes=[_place(cause) for cause in _chain(error)])

    def worker_failed(self, error: Exception) -> None:
        """Log what kept a worker from working at all; it tries again."""
        self._log.error("worker failed", causes=[_place(cause) for cause in _chain(error)])

    def worked(self, delivered: int, finished: int, duration_ms: float) -> None:
        """Log what became of messages that the queue delivered."""
        self._log.info("worked", delivered=delivered, finished=finished, duration_ms=round(duration_ms, 1))
        self._metrics.worked(delivered, finished)

    def started(self, *, model: str, load_ms: float) -> None:
        """Log that a model is loaded and has run once."""
        self._log.info("model ready", model=model, load_ms=round(load_ms, 1))

    def exposition(self) -> bytes | None:
        """All metrics as Prometheus text, or None on Lambda."""
        return self._metrics.exposition()


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The request's id: Lambda's where there is one, else a new one, the same at every call."""
    if REQUEST_ID not in scope:
        scope[REQUEST_ID] = getattr(scope.get("aws.context"), "aws_request_id", None) or str(uuid.uuid4())
    return str(scope[REQUEST_ID])


class _StdoutHandler(logging.StreamHandler[TextIO]):
    """Write to whatever standard output is now: runtimes and tests replace it after this module was imported."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


def _metrics(settings: Settings, forward_passes: Callable[[], int]) -> Metrics:
    # Each kind is imported where it is used: a cold start pays for neither twice.
    if settings.on_lambda:
        from handler.metrics.emf import EmfMetrics  # noqa: PLC0415

        return EmfMetrics()
    from handler.metrics.prometheus import PrometheusMetrics  # noqa: PLC0415

    return PrometheusMetrics(forward_passes)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, down to the first."""
    errors = [error]
    while (cause := errors[-1].__cause__ or errors[-1].__context__) is not None and cause not in errors:
        errors.append(cause)
    return errors


def _place(error: BaseException) -> dict[str, str]:
    """Type of an error, and file and line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return {"type": type(error).__qualname__, "place": "unknown"}
    path = Path(frames[-1].filename)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    return {"type": type(error).__qualname__, "place": f"{shown.as_posix()}:{frames[-1].lineno}"}
