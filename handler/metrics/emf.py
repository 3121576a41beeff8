"""Metrics as CloudWatch's embedded metric format: one line of the log, no call to any service."""

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from handler.telemetry import SERVICE, RequestRecord

NAMESPACE = "TokenWheel"


class EmfMetrics:
    """Writes one line a request. The route is the only dimension: each further one multiplies what CloudWatch charges."""

    def count(self, request: RequestRecord) -> None:
        """Write an answered request and its duration."""
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
        metrics.add_dimension(name="route", value=request.route)
        metrics.add_metric(name="requests", unit=MetricUnit.Count, value=1)
        metrics.add_metric(name="client_errors", unit=MetricUnit.Count, value=int(400 <= request.status < 500))
        metrics.add_metric(name="server_errors", unit=MetricUnit.Count, value=int(request.status >= 500))
        metrics.add_metric(name="duration", unit=MetricUnit.Milliseconds, value=request.duration_ms)
        metrics.flush_metrics()

    def worked(self, delivered: int, finished: int) -> None:
        """Write what became of a batch of messages."""
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
        metrics.add_metric(name="job_messages", unit=MetricUnit.Count, value=delivered)
        metrics.add_metric(name="job_messages_finished", unit=MetricUnit.Count, value=finished)
        metrics.flush_metrics()

    def exposition(self) -> None:
        """Nothing to serve: CloudWatch reads the log."""
        return
