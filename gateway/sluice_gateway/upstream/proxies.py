"""Which forward proxy leads to an origin, by the usual environment variables."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from sluice_gateway.upstream.endpoint import Origin
from sluice_gateway.upstream.errors import ConnectFailed

_SUFFIX = "_proxy"


class Proxies:
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in capitals or not; if both are set, in small letters."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        names = sorted(name for name in environ if name.lower().endswith(_SUFFIX))  # capitals sort first
        found = {name.lower().removesuffix(_SUFFIX): environ[name].strip() for name in names}
        self._by_scheme = {scheme: found.get(scheme) or found.get("all") for scheme in ("http", "https")}
        self._direct = [entry.strip().lower().lstrip(".") for entry in found.get("no", "").split(",") if entry.strip()]

    def __bool__(self) -> bool:
        """Whether any origin may be behind a proxy."""
        return any(self._by_scheme.values())

    def url(self, origin: Origin) -> str | None:
        """The proxy's URL, which may carry a password; None for the direct way. Raises ConnectFailed for SOCKS."""
        found = self._by_scheme[origin.scheme]
        if not found or any(_covers(entry, origin) for entry in self._direct):
            return None
        url = found if "://" in found else f"http://{found}"
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ConnectFailed("only HTTP proxies can be used")
        return url


def _covers(entry: str, origin: Origin) -> bool:
    """Whether an entry of NO_PROXY means this origin: `*`, a host or what it ends with, host:port, an address range."""
    if entry in {"*", origin.host, f"{origin.host}:{origin.port}"} or origin.host.endswith(f".{entry}"):
        return True
    try:
        return ipaddress.ip_address(origin.host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
