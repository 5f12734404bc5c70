"""Where a request goes: validated and encoded once, so that sending costs a concatenation."""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

# RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 section 5.5: visible characters, obs-text, and inner spaces and tabs.
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_TARGET = re.compile(r"[\x21-\x7e]+")
# A name of at most 253 characters in labels of at most 63 (RFC 1035), or an IPv6 address.
_HOST = re.compile(r"(?=.{1,253}$)[0-9a-z_\-]{1,63}(?:\.[0-9a-z_\-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")

# What this client says itself, and what would change how a message is framed or who may read it on the way.
_FRAMING = frozenset(("connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding"))
_OURS = _FRAMING | {"accept-encoding", "host", "proxy-connection", "upgrade"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_METHODS_WITHOUT_BODY = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


class Origin(NamedTuple):
    """Where connections may be shared. `host` is lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


class Endpoint:
    """One method and URL with its static headers, built once per target.

    Raises ValueError, which never quotes a header's value, for anything that could not be sent as exactly this request.
    """

    __slots__ = ("head", "headers", "method", "origin", "path", "sends_length", "url")

    def __init__(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        if not _TOKEN.fullmatch(method) or method == "CONNECT":
            raise ValueError("not a method that can be sent")
        self.method = method
        self.url = url
        self.headers = tuple(headers)
        self.origin, self.path, target = _parse(url)
        self.sends_length = method not in _METHODS_WITHOUT_BODY
        start = f"{method} {target} HTTP/1.1\r\nhost: {_authority(self.origin)}\r\naccept-encoding: identity\r\n"
        self.head = start.encode("ascii") + encode_headers(self.headers)

    def __repr__(self) -> str:
        """Without query and header values: both may carry keys."""
        scheme, *_ = self.origin
        return f"Endpoint({self.method} {scheme}://{_authority(self.origin)}{self.path})"


def encode_headers(headers: Sequence[tuple[str, str]]) -> bytes:
    """Header lines as they go on the wire. Raises ValueError for a name or value that would not stay one header."""
    lines = ""
    for name, value in headers:
        # All printable characters of Latin-1 are allowed; the pattern is for the rest (tabs, spaces at the ends).
        if not (value.isprintable() and value == value.strip()) and not _VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name!r} has characters that cannot be sent")
        lines += f"{_checked_name(name)}: {value}\r\n"
    try:
        return lines.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("a header has characters outside Latin-1") from None


@functools.lru_cache(maxsize=256)
def _checked_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() in _OURS:
        raise ValueError(f"header {name!r} is set by the client itself")
    return name


def _parse(url: str) -> tuple[Origin, str, str]:
    """Origin, path, and request target of an absolute URL. Errors do not quote the URL: it may carry a key."""
    if not _TARGET.fullmatch(url):
        raise ValueError("the URL has characters that must be percent-encoded")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("the URL has no valid host") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("the URL is neither http nor https")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("the URL has user information or a fragment")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise ValueError("the URL has no valid host")
    path = parts.path or "/"
    return Origin(parts.scheme, host, _port(parts)), path, f"{path}?{parts.query}" if parts.query else path


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the URL has no valid port")
    return port or _DEFAULT_PORTS[parts.scheme]


def _authority(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == _DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"
