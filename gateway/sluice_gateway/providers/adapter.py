"""What a wire shape must say of itself: four pure functions over bytes, and the values they speak in.

An adapter holds no state and does no I/O. What differs between vendors of one shape is data (see ``vendors``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from sluice_gateway.calls import Call


class Usage(NamedTuple):
    """Tokens that a provider reported for one answer.

    ``prompt`` includes ``cached``, ``completion`` includes ``reasoning``.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


class FaultKind(StrEnum):
    """Why a provider did not serve. All but CALLER are reasons to try another target."""

    CALLER = "caller"
    RATE_LIMITED = "rate_limited"
    KEY_REFUSED = "key_refused"
    NO_CREDIT = "no_credit"
    MODEL_NOT_OFFERED = "model_not_offered"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A provider's refusal.

    ``message`` are its words (for a caller's mistake they are passed on), ``retry_after`` seconds.
    """

    kind: FaultKind
    status: int
    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one server-sent event says beyond its text.

    ``finished`` are the numbers of the choices that end with it; ``done`` is the shape's own end mark.
    """

    finished: tuple[int, ...] = ()
    done: bool = False
    usage: Usage | None = None
    fault: Fault | None = None


class Response(NamedTuple):
    """What a complete answer says beyond its text."""

    usage: Usage | None = None
    fault: Fault | None = None


class Adapter(Protocol):
    """One wire shape."""

    def build_request(self, call: Call, model: str) -> bytes:
        """The body to send for ``call`` to the provider's ``model``. Raises CallerError."""
        ...

    def parse_response(self, body: bytes) -> Response:
        """Read a whole answer of status 2xx. Raises BadEvent when it is not one."""
        ...

    def parse_event(self, data: bytes) -> Event | None:
        """Read one event of a stream; None when it has nothing but text. Raises BadEvent when it is not one."""
        ...

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """Read an answer of any other status, whatever its body is."""
        ...
