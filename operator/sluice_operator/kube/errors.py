"""What can go wrong at the API server."""

from typing import Final

from sluice_operator.errors import OperatorError

LONGEST_MESSAGE: Final = 512
"""Of a server's words that are passed on: they end in status messages and Events, which are bounded too."""


class KubeError(OperatorError):
    """A call of the API failed. ``status`` is HTTP's, 0 when there was no answer."""

    reason = "Failed"

    def __init__(self, what: str, message: str = "", status: int = 0) -> None:
        super().__init__(f"{what}: {message[:LONGEST_MESSAGE]}" if message else what)
        self.status = status


class Unreachable(KubeError):
    """No answer: not connected, cut off, or too late."""

    reason = "Unreachable"


class ServerFault(KubeError):
    """The server can't answer now (5xx), or is too busy to (429)."""

    reason = "ServerFault"


class NotFound(KubeError):
    """There is no such object, namespace or kind (404)."""

    reason = "NotFound"


class Forbidden(KubeError):
    """The operator has no right to do this (403)."""

    reason = "Forbidden"


class Unauthorized(KubeError):
    """The server does not take our token (401), which passes: it rotates."""

    reason = "Unauthorized"


class Conflict(KubeError):
    """Someone else has changed or created the object since it was read (409)."""

    reason = "Conflict"


class Expired(KubeError):
    """The resourceVersion of a list or watch is too old (410)."""

    reason = "Expired"


class Rejected(KubeError):
    """The server does not take what was sent (other 4xx)."""

    reason = "Rejected"


_BY_STATUS: Final[dict[int, type[KubeError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    429: ServerFault,
}


def error_of(what: str, status: int, message: str) -> KubeError:
    """The error for an answer that is not 2xx."""
    kind = _BY_STATUS.get(status) or (ServerFault if status >= 500 else Rejected)
    return kind(what, f"{status} {message}".rstrip(), status)
