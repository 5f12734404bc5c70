"""The gateway's one error tree: what a caller is told when a request can't be served.

Each class carries its HTTP status, its code and OpenAI's error type. A message never holds a key, a host or a stack
trace. The server renders them as ``{"error": {"message", "type", "param", "code"}}``, in a stream as one last event.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec


class GatewayError(Exception):
    """A request ends here, and the caller is told why.

    ``param`` is the JSON path of the request's field at fault; ``retry_after`` are whole seconds; ``details`` are
    further members of the error object.
    """

    status: int = 500
    code: str | None = "internal_error"
    type: str = "server_error"
    label: str = ""
    """What metrics show in the place of a code that is somebody else's word; "" for codes of ours, which are few."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.details = details or {}

    def body(self) -> bytes:
        """The error as JSON, in OpenAI's shape."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code, **self.details}
        return msgspec.json.encode({"error": error})

    def headers(self) -> list[tuple[str, str]]:
        """Headers that go with the error, beyond those of every reply."""
        return [] if self.retry_after is None else [("retry-after", str(self.retry_after))]


class CallerError(GatewayError):
    """The request itself is at fault: no target is tried, or none further."""

    status = 400
    code: str | None = "invalid_request"
    type = "invalid_request_error"


class InvalidJSON(CallerError):
    """The body is not JSON, or nests too deep to be read."""

    code = "invalid_json"


class UnsupportedParameter(CallerError):
    """The request asks for what the gateway or the target can't do."""

    code = "unsupported_parameter"


class ParameterOutOfRange(CallerError):
    """A parameter is beyond what the target takes."""

    code = "parameter_out_of_range"


class StrategyNotAllowed(CallerError):
    """The request asks for a routing strategy that does not exist, or that its route does not allow."""

    code = "strategy_not_allowed"


class ContextLengthExceeded(CallerError):
    """The prompt is longer than the model's context window."""

    code = "context_length_exceeded"


class InvalidAPIKey(CallerError):
    """The caller's key is missing or unknown."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class AdminClosed(CallerError):
    """The admin paths are open to those who show SLUICE_ADMIN_TOKEN_FILE's token, on a laptop to its own programs."""

    status = 403
    code = "admin_closed"
    type = "permission_error"


class ModelNotFound(CallerError):
    """No route serves the requested name, or nothing behind it can serve now."""

    status = 404
    code = "model_not_found"

    @classmethod
    def for_route(cls, model: str, route: str | None = None) -> Self:
        """For the name that was asked for, and the route that has it but no target, if there is one."""
        if route is None:
            return cls(f"no route serves the model {model!r}", param="model")
        message = f"route {route} serves {model!r}, but has no target that can serve now; see /internal/config"
        return cls(message, param="model")


class NotFound(CallerError):
    """No such path, or nothing of the name that the request gives."""

    status = 404
    code = "not_found"


class MethodNotAllowed(CallerError):
    """The path exists, for other methods."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not allowed here; use {' or '.join(allowed)}")
        self.allowed = allowed

    def headers(self) -> list[tuple[str, str]]:
        """RFC 9110, 15.5.6: a 405 names what is allowed."""
        return [("allow", ", ".join(self.allowed))]


class RequestTimeout(CallerError):
    """The caller took too long to send its body (RFC 9110, 15.5.9)."""

    status = 408
    code = "timeout"


class RequestTooLarge(CallerError):
    """The body is larger than SLUICE_MAX_BODY_BYTES."""

    status = 413
    code = "request_too_large"


class UnsupportedMediaType(CallerError):
    """The body is declared as something other than JSON."""

    status = 415
    code = "unsupported_media_type"


class RateLimitExceeded(GatewayError):
    """The only target is out of its provider's allowance."""

    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"


class ProviderError(GatewayError):
    """The only target failed, or a stream broke off."""

    status = 502
    code = "provider_error"


class ProviderAuthFailed(GatewayError):
    """The provider refused the gateway's own key."""

    status = 502
    code = "provider_auth_failed"


class Overloaded(GatewayError):
    """SLUICE_MAX_IN_FLIGHT requests are being served."""

    status = 503
    code = "overloaded"


class AllProvidersFailed(GatewayError):
    """More than one target was tried, and none could serve."""

    status = 503
    code = "all_providers_failed"


class NotReady(GatewayError):
    """No configuration has been loaded yet, or the process is on its way out."""

    status = 503
    code = "not_ready"


class UpstreamTimedOut(GatewayError):
    """The target took longer than its policy allows."""

    status = 504
    code = "timeout"


class ProviderRefused(CallerError):
    """The provider found the caller's request at fault: its own status, code and words are passed on."""

    label = "provider_refused"

    def __init__(self, message: str, *, status: int, code: str | None, kind: str | None, param: str | None) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code
        self.type = kind or type(self).type
