"""What went wrong with each target of a request, and what the caller is told when none is left."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sluice_gateway.errors import (
    AllProvidersFailed,
    GatewayError,
    ModelNotFound,
    ProviderAuthFailed,
    ProviderError,
    ProviderRefused,
    RateLimitExceeded,
    UpstreamTimedOut,
)
from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.telemetry.record import Record


@dataclass(frozen=True, slots=True)
class Attempt:
    """One target that did not serve.

    ``reason`` holds no key and no host; ``status`` is the provider's, if it answered.
    """

    target: str
    fault: Fault
    status: int | None
    reason: str
    milliseconds: float

    def described(self) -> dict[str, object]:
        """The form that errors and log lines show."""
        return {
            "target": self.target,
            "status": self.status,
            "reason": self.reason,
            "milliseconds": round(self.milliseconds, 1),
        }


class AttemptFailed(Exception):
    """A target did not serve, nothing of it has reached the caller, and another target may."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.reason)
        self.attempt = attempt

    def noted(self, record: Record) -> Attempt:
        """The attempt, once it stands in the record of its request."""
        record.failed_attempts.append(self.attempt.described())
        return self.attempt


def refusal(fault: Fault, redact: Callable[[str], str]) -> ProviderRefused:
    """The caller's own mistake, as the provider put it, but for what ``redact`` takes out."""
    code, kind, param = (word and redact(word) for word in (fault.code, fault.type, fault.param))
    return ProviderRefused(redact(fault.message), status=fault.status, code=code, kind=kind, param=param)


def failure_of(attempts: list[Attempt], *, late: bool) -> GatewayError:
    """The error for a request whose attempts have all failed; a single one is named for what it was.

    ``late``: the caller's own time has run out, so that no further target was asked.
    """
    details = {"attempts": [attempt.described() for attempt in attempts]}
    if late:
        return UpstreamTimedOut("no target has served within x-request-timeout-ms", details=details)
    if len(attempts) > 1:
        message = f"none of {len(attempts)} targets could serve the request"
        return AllProvidersFailed(message, retry_after=_soonest(attempts), details=details)
    attempt = attempts[0]
    kind, message = attempt.fault.kind, f"{attempt.target}: {attempt.reason}"
    if kind is FaultKind.RATE_LIMITED:
        return RateLimitExceeded(message, retry_after=_soonest(attempts), details=details)
    if kind is FaultKind.MODEL_NOT_OFFERED:
        return ModelNotFound(message, param="model", details=details)
    if kind in (FaultKind.KEY_REFUSED, FaultKind.NO_CREDIT):
        return ProviderAuthFailed(message, details=details)
    if kind is FaultKind.TIMEOUT:
        return UpstreamTimedOut(message, details=details)
    return ProviderError(message, retry_after=_soonest(attempts), details=details)


def _soonest(attempts: list[Attempt]) -> int | None:
    """When the first of them may serve again, in whole seconds."""
    waits = [attempt.fault.retry_after for attempt in attempts if attempt.fault.retry_after is not None]
    return math.ceil(min(waits)) if waits else None
