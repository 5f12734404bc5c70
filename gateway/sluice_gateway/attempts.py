"""What went wrong with each target of a request, and what the caller is told when none is left."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sluice_gateway.errors import (
    AllProvidersFailed,
    GatewayError,
    ModelNotFound,
    Overloaded,
    ProviderAuthFailed,
    ProviderError,
    ProviderRefused,
    RateLimitExceeded,
    UpstreamTimedOut,
)
from sluice_gateway.limits.contract import Limit, Refused, Unit
from sluice_gateway.providers.adapter import Fault, FaultKind

_SHORTER = "allow a shorter answer (max_tokens, or what the API calls it)"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One target that did not serve.

    ``reason`` holds no key and no host; ``status`` is the provider's, if it answered. ``asked``: whether anything was
    sent to it, or it was passed over for what is known of it.
    """

    target: str
    fault: Fault
    status: int | None
    reason: str
    milliseconds: float
    asked: bool = True

    @classmethod
    def passed_over(cls, target: str, reason: str, retry_after: float | None, kind: FaultKind) -> Self:
        """A target that was not asked, because it can't serve for ``retry_after`` seconds."""
        fault = Fault(kind=kind, status=503, message=reason, retry_after=retry_after)
        return cls(target, fault, None, reason, 0.0, asked=False)

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


def refusal(fault: Fault, redact: Callable[[str], str]) -> ProviderRefused:
    """The caller's own mistake, as the provider put it, but for what ``redact`` takes out."""
    code, kind, param = (word and redact(word) for word in (fault.code, fault.type, fault.param))
    return ProviderRefused(redact(fault.message), status=fault.status, code=code, kind=kind, param=param)


def failure_of(attempts: Sequence[Attempt], *, late: str) -> GatewayError:
    """The error for a request whose attempts have all failed; that of a lone target is named for what it was.

    ``late`` says which time has run out, so that nobody was asked any more; "" when none has.
    """
    details = {"attempts": [attempt.described() for attempt in attempts]}
    if late:
        return UpstreamTimedOut(f"no target has served within {late}", details=details)
    asked = [attempt for attempt in attempts if attempt.asked]
    able = [attempt for attempt in attempts if attempt.fault.kind is not FaultKind.CALLER]
    targets = {attempt.target for attempt in able}
    if len(targets) == 1 and (asked or able[-1].fault.kind is FaultKind.RATE_LIMITED):
        return _failure_of_one((asked or able)[-1], _soonest(attempts), details)
    if len(targets) == 1:
        message = f"{able[0].target}: {able[0].reason}"
    else:
        message = f"none of {len(targets)} targets could serve the request"
    return AllProvidersFailed(message, retry_after=_soonest(attempts), details=details)


def _failure_of_one(attempt: Attempt, retry_after: int | None, details: Mapping[str, Any]) -> GatewayError:
    kind, message = attempt.fault.kind, f"{attempt.target}: {attempt.reason}"
    if kind is FaultKind.RATE_LIMITED:
        return RateLimitExceeded(message, retry_after=retry_after, details=details)
    if kind is FaultKind.MODEL_NOT_OFFERED:
        return ModelNotFound(message, param="model", details=details)
    if kind in (FaultKind.KEY_REFUSED, FaultKind.NO_CREDIT):
        return ProviderAuthFailed(message, details=details)
    if kind is FaultKind.TIMEOUT:
        return UpstreamTimedOut(message, details=details)
    return ProviderError(message, retry_after=retry_after, details=details)


def _soonest(attempts: Sequence[Attempt]) -> int | None:
    """When the first of the targets may serve again, in whole seconds."""
    waits = [attempt.fault.retry_after for attempt in attempts if attempt.fault.retry_after is not None]
    return math.ceil(min(waits)) if waits else None


def limit_refusal(refused: Refused, tokens: int) -> GatewayError:
    """The error for a request that a limit has no room for. ``tokens`` are what it may use."""
    limit, wait = refused.limit, refused.retry_after
    retry_after = None if wait is None else max(1, math.ceil(wait))
    if refused.away:
        message = f"the counters of {_described(limit)} cannot be read now, and it lets nothing through until they can"
        return Overloaded(message, retry_after=retry_after or 1)
    if wait is None:
        message = f"the request may use {tokens} tokens, more than {_described(limit)} holds: {_SHORTER}"
        return RateLimitExceeded(message)
    if limit.unit is Unit.TOKENS:
        message = f"the request may use {tokens} tokens, more than is left of {_described(limit)}: "
        message += f"try again in {retry_after} s, or {_SHORTER}"
    else:
        message = f"{_described(limit)} is used up; try again in {retry_after} s"
    return RateLimitExceeded(message, retry_after=retry_after)


def _described(limit: Limit) -> str:
    whose = f" for {limit.consumer}" if limit.consumer else ""
    if limit.unit is Unit.PLACES:
        return f"limit {limit.name} of {limit.holder} ({limit.most} requests at a time{whose})"
    span = limit.span or "minute"
    article = "an" if span == "hour" else "a"
    return f"limit {limit.name} of {limit.holder} ({limit.most} {limit.unit} {article} {span}{whose})"
