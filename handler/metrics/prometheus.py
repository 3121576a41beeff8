"""Metrics as Prometheus text, for local and container runs."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from handler.telemetry import RequestRecord

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 28.0)


class PrometheusMetrics:
    """Counters of this process, in a registry of their own."""

    def __init__(self, forward_passes: Callable[[], int]) -> None:
        """`forward_passes` is asked whenever the metrics are read."""
        self._registry = CollectorRegistry()
        self._requests = Counter("wheel_requests", "Answered requests.", ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "wheel_request_seconds", "Time to answer, in seconds.", ["route"], buckets=BUCKETS_S, registry=self._registry
        )
        self._messages = Counter("wheel_job_messages", "Messages of jobs, as received.", registry=self._registry)
        self._finished = Counter("wheel_job_messages_finished", "Those that need not come again.", registry=self._registry)
        passes = Gauge("wheel_forward_passes", "Forward passes of all loaded models.", registry=self._registry)
        passes.set_function(forward_passes)

    def count(self, request: RequestRecord) -> None:
        """Count an answered request and its duration."""
        self._requests.labels(request.method, request.route, str(request.status)).inc()
        self._seconds.labels(request.route).observe(request.duration_ms / 1000)

    def worked(self, delivered: int, finished: int) -> None:
        """Count messages and how many of them are finished."""
        self._messages.inc(delivered)
        self._finished.inc(finished)

    def exposition(self) -> bytes:
        """All metrics as Prometheus text."""
        return generate_latest(self._registry)
