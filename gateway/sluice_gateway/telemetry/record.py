"""What is known of one request when it ends: one log line, and its share of the metrics."""

from dataclasses import dataclass, field

from sluice_gateway.providers.adapter import Usage
from sluice_gateway.telemetry.log import Logger
from sluice_gateway.telemetry.metrics import Metrics

CLIENT_LEFT = 499  # nginx's status for a caller who closed the connection first


@dataclass(slots=True)
class Record:
    """Filled in as a request goes through the pipeline.

    Times are the loop's, in seconds; "" and None mean not known.
    """

    request_id: str
    method: str
    path: str
    started: float
    consumer: str = ""
    model: str = ""
    stream: bool = False
    route: str = ""
    target: str = ""
    target_kind: str = ""
    attempts: int = 0
    provider_request_id: str | None = None
    first_byte: float | None = None
    usage: Usage | None = None
    status: int = CLIENT_LEFT
    code: str = ""
    reason: str = ""
    failed_attempts: list[dict[str, object]] = field(default_factory=list)

    def failed(self, status: int, code: str, reason: str) -> None:
        """Note how the request ended when it did not end well."""
        self.status, self.code, self.reason = status, code, reason


class Recorder:
    """Writes records."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._info = logger.info
        self._metrics = metrics

    def attempt(self, target: str, result: str) -> None:
        """Count a call to a provider."""
        self._metrics.attempt_child(target, result).inc()

    def write(self, record: Record, now: float) -> None:
        """Log and count a request that has ended at ``now``."""
        elapsed = now - record.started
        if record.status == CLIENT_LEFT:
            record.code = record.code or "client_left"
        self._count(record, elapsed)
        line: dict[str, object] = {
            "request_id": record.request_id,
            "method": record.method,
            "path": record.path,
            "status": record.status,
            "milliseconds": round(elapsed * 1000, 3),
        }
        if record.model:
            line |= {"consumer": record.consumer, "model": record.model, "stream": record.stream, "route": record.route}
            line |= {"target": record.target, "attempts": record.attempts}
        if record.first_byte is not None:
            line["first_byte_milliseconds"] = round((record.first_byte - record.started) * 1000, 3)
        if usage := record.usage:
            line |= {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion}
            line |= {"cached_tokens": usage.cached, "reasoning_tokens": usage.reasoning}
        if record.provider_request_id:
            line["provider_request_id"] = record.provider_request_id
        if record.code:
            line |= {"code": record.code, "reason": record.reason}
        if record.failed_attempts:
            line["failed_attempts"] = record.failed_attempts
        self._info("request", **line)

    def _count(self, record: Record, elapsed: float) -> None:
        metrics, route, target = self._metrics, record.route, record.target_kind
        metrics.request_child(route, target, str(record.status), record.code).inc()
        metrics.duration_child(route).observe(elapsed)
        if record.first_byte is not None:
            metrics.first_byte_child(route).observe(record.first_byte - record.started)
        if usage := record.usage:
            metrics.tokens_child(route, target, "prompt").inc(usage.prompt)
            metrics.tokens_child(route, target, "completion").inc(usage.completion)
