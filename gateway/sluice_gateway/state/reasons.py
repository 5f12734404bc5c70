"""Why the state Redis can't be used, in words of ours: its own, and the system's, carry addresses and what was sent."""

import re
import socket
import ssl

from sluice_gateway.state.wire import Complaint

_OF_SYSTEM: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "connection refused"),
    (socket.gaierror, "its host name could not be resolved"),
    (ssl.SSLCertVerificationError, "its TLS certificate was not accepted"),
    (ssl.SSLError, "the TLS handshake failed"),
    (TimeoutError, "no answer in time"),
)

_NOT_LET_IN = "it did not accept the password, or wants one"

# Words of Redis that speak of the server rather than of the command. Most are error codes. When a script meets one,
# Redis 6 has it in the middle of its text.
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
    "NOAUTH": _NOT_LET_IN,
    "WRONGPASS": _NOT_LET_IN,
    "ERR AUTH": _NOT_LET_IN,  # it has no password
}
_WORD = re.compile(rf"\b({'|'.join(_OF_SERVER)})\b")


def of_server(complaint: Complaint) -> str:
    """Why the server can take no command of this kind; "" when only this one command was at fault."""
    found = _WORD.search(str(complaint))
    return _OF_SERVER[found[1]] if found else ""


def of_failure(error: Exception | None) -> str:
    """Why a connection could not be made, or was lost."""
    if isinstance(error, Complaint) and (reason := of_server(error)):
        return reason
    return next((reason for kind, reason in _OF_SYSTEM if isinstance(error, kind)), "the connection was lost")
