"""What the latest checks of a provider say: whether it is healthy, and since when not. Values in, values out."""

from collections import deque
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sluice_config.resources.provider_policy import HealthCheck

KEPT = 20
"""Checks of a provider that are shown."""


class Result(StrEnum):
    """How a check ended. TRAFFIC: a caller's request was served, which answers the question too."""

    GOOD = "good"
    TRAFFIC = "traffic"
    FAILED = "failed"
    REJECTED = "rejected"


class State(StrEnum):
    """What is known of a provider. UNKNOWN: no check has been good yet, and not enough of them have failed."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Outcome(NamedTuple):
    """What a provider has answered. ``reason`` names neither key nor host; "" where there is nothing to say."""

    result: Result
    reason: str = ""


class Check(NamedTuple):
    """One check: when (epoch seconds), and how long it took; None where nobody was asked."""

    wall: float
    result: Result
    milliseconds: float | None = None
    reason: str = ""

    def described(self) -> dict[str, Any]:
        """The form that the admin API shows."""
        return {
            "at": datetime.fromtimestamp(self.wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "result": self.result,
            "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 1),
            "reason": self.reason,
        }


class History:
    """The checks of one provider.

    ``reason`` says why it is unhealthy, as its latest failed check has it; "" while it is not. ``rejected``: the
    gateway's key was refused lately, and nothing good has come since.
    """

    __slots__ = ("_bad", "_good", "checks", "reason", "rejected", "state")

    def __init__(self) -> None:
        self.state = State.UNKNOWN
        self.reason = ""
        self.rejected = False
        self.checks: deque[Check] = deque(maxlen=KEPT)
        self._good = self._bad = 0

    def note(self, check: Check, policy: HealthCheck) -> bool:
        """Take a check; whether the provider has become unhealthy, or healthy (again, or for the first time)."""
        self.checks.append(check)
        before = self.state
        self.rejected = check.result is Result.REJECTED
        if check.result in (Result.GOOD, Result.TRAFFIC):
            self._good, self._bad = self._good + 1, 0
            if self.state is not State.UNHEALTHY or self._good >= policy.success_threshold:
                self.state, self.reason = State.HEALTHY, ""
        else:
            self._good, self._bad = 0, self._bad + 1
            if self.state is State.UNHEALTHY or self._bad >= policy.failure_threshold:
                self.state, self.reason = State.UNHEALTHY, check.reason or check.result
        return self.state is not before
