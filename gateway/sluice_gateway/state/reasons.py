"""Why the state Redis can't be used, in words of ours: its own, and the system's, carry addresses and what was sent."""

import re
import socket
import ssl
from collections.abc import Iterator

from redis import exceptions

_OF_SYSTEM: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "connection refused"),
    (socket.gaierror, "its host name could not be resolved"),
    (ssl.SSLCertVerificationError, "its TLS certificate was not accepted"),
    (ssl.SSLError, "the TLS handshake failed"),
    (exceptions.BusyLoadingError, "it is reading its data from disk"),
    (exceptions.AuthenticationError, "it did not accept the password, or wants one"),
    (TimeoutError, "no answer in time"),
    (exceptions.TimeoutError, "no answer in time"),
)

# Error codes of Redis that speak of the server rather than of the command. When a script meets one, Redis 6 has it in
# the middle of its text.
_OF_SERVER = {
    "OOM": "its memory is full",
    "READONLY": "it is a replica that may only be read",
    "NOPERM": "its user has no right to do this",
    "MISCONF": "it can't write to its disk",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "it has too few replicas",
    "MASTERDOWN": "it is a replica without its primary",
    "CLUSTERDOWN": "its cluster is down",
    "MOVED": "it is one of a cluster's servers, and not the one for our keys",
    "LOADING": "it is reading its data from disk",
    "NOAUTH": "it wants a password",
}
_CODE = re.compile(rf"\b({'|'.join(_OF_SERVER)})\b")
_CODES = {
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MovedError: "MOVED",
}


def of_server(error: exceptions.ResponseError) -> str:
    """Why the server can take no command of this kind; "" when only this one command was at fault."""
    code = _CODES.get(type(error))
    if code is None and (found := _CODE.search(str(error))):
        code = found[1]
    return _OF_SERVER[code] if code else ""


def of_failure(error: BaseException) -> str:
    """Why a connection could not be made, or was lost."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, exceptions.ResponseError) and (reason := of_server(one)):
            return reason
    for kind, reason in _OF_SYSTEM:
        if any(isinstance(one, kind) for one in chain):
            return reason
    return "the connection was lost"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from: redis-py wraps the system's in its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
