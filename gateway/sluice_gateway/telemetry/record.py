"""What is known of one request when it ends: one log line, and its share of the metrics."""

from collections.abc import Sequence

import msgspec

from sluice_gateway.limits.contract import Level
from sluice_gateway.normal.usage import Usage
from sluice_gateway.telemetry.log import Line, Logger, log_defect
from sluice_gateway.telemetry.metrics import Metrics

LEFT = "client_left"
CLIENT_LEFT = 499  # nginx's status for a caller who closed the connection first


class Record(msgspec.Struct):
    """Filled in as a request goes through the pipeline.

    Times are the loop's, in seconds; "" and None mean not known. ``levels`` are those of the route's limits;
    ``lost_tokens`` were used by attempts beside the one that became the answer.
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
    label: str = ""
    reason: str = ""
    failed_attempts: list[dict[str, object]] = []
    defect: BaseException | None = None
    levels: Sequence[Level] = ()
    lost_tokens: int = 0

    def tries(self, target: str, kind: str) -> None:
        """Another target is asked; what is known of the one before belongs to its own entry."""
        self.target, self.target_kind = target, kind
        self.attempts += 1
        self.provider_request_id = self.usage = None

    def served(self) -> None:
        """The answer has gone out whole, unless something is noted against it."""
        if not self.code:
            self.status = 200

    def failed(self, status: int, code: str, reason: str, label: str = "") -> None:
        """Note how the request ended when it did not end well. ``label`` stands for a ``code`` that is not of ours."""
        self.status, self.code, self.reason, self.label = status, code, reason, label or code


class RequestLine(Line):
    """The log line of a request: always the same fields, null where nothing is known. Times are milliseconds."""

    request_id: str
    method: str
    path: str
    status: int
    code: str | None
    reason: str | None
    consumer: str | None
    model: str | None
    stream: bool
    route: str | None
    target: str | None
    attempts: int
    failed_attempts: list[dict[str, object]] | None
    provider_request_id: str | None
    milliseconds: float
    first_byte_milliseconds: float | None
    lost_tokens: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    audio_prompt_tokens: int | None
    audio_completion_tokens: int | None
    estimated: bool | None

    def text(self) -> str:
        """``200 chat -> openai/gpt-4o-mini, 812 ms, 9+120 tokens``, and why, where it went wrong."""
        said = [f"{self.status} {self.model or self.path}" + (f" -> {self.target}" if self.target else "")]
        said.append(f"{self.milliseconds:.0f} ms")
        if self.stream and self.first_byte_milliseconds is not None:
            said.append(f"first byte {self.first_byte_milliseconds:.0f} ms")
        if self.prompt_tokens is not None:
            about = "about " if self.estimated else ""
            said.append(f"{about}{self.prompt_tokens}+{self.completion_tokens} tokens")
        if self.code:
            said.append(f"{self.code}: {self.reason}" if self.reason else self.code)
        if self.attempts > 1:
            said += [f"after {attempt['target']}: {attempt['reason']}" for attempt in self.failed_attempts or ()]
        return ", ".join(said)


_NOT_REPORTED = (None,) * len(Usage._fields)


class Recorder:
    """Writes records."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._log = logger.line
        self._metrics = metrics

    def attempt(self, target: str, result: str) -> None:
        """Count a call to a provider."""
        self._metrics.attempts[target, result] += 1

    def lost(self, route: str, target: str, usage: Usage) -> None:
        """Count what an attempt has used that did not become the answer."""
        tokens = self._metrics.tokens
        tokens[route, target, "prompt"] += usage.prompt
        tokens[route, target, "completion"] += usage.completion

    def limited(self, route: str, limit: str) -> None:
        """Count a request that a limit had no room for."""
        self._metrics.limited[route, limit] += 1

    def write(self, record: Record, now: float) -> None:
        """Log and count a request that has ended at ``now``."""
        if record.defect is not None:
            log_defect(self._logger, "reading a provider's answer", record.defect)
        elapsed = now - record.started
        first_byte = None if record.first_byte is None else record.first_byte - record.started
        if record.status == CLIENT_LEFT:
            record.code = record.label = LEFT
        self._count(record, elapsed, first_byte)
        usage = record.usage or _NOT_REPORTED
        line = RequestLine(
            record.request_id,
            record.method,
            record.path,
            record.status,
            record.code or None,
            record.reason or None,
            record.consumer or None,
            record.model or None,
            record.stream,
            record.route or None,
            record.target or None,
            record.attempts,
            record.failed_attempts or None,
            record.provider_request_id,
            round(elapsed * 1000, 3),
            None if first_byte is None else round(first_byte * 1000, 3),
            record.lost_tokens or None,
            *usage,
            event="request",
        )
        self._log(line)

    def _count(self, record: Record, elapsed: float, first_byte: float | None) -> None:
        metrics, route, target = self._metrics, record.route, record.target_kind
        metrics.requests[route, target, f"{record.status}", record.label] += 1
        metrics.duration[route].observe(elapsed)
        if first_byte is not None:
            metrics.first_byte[route].observe(first_byte)
        if usage := record.usage:
            tokens = metrics.tokens
            tokens[route, target, "prompt"] += usage.prompt
            tokens[route, target, "completion"] += usage.completion
