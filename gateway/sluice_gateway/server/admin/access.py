"""Who may use the admin paths: whoever shows the token or, on a laptop, programs of this machine that are no website's.

A page that a browser has loaded from anywhere may send requests to addresses of this machine, and may even give its own
name such an address (DNS rebinding). Browsers say where a request comes from: in Host, in Origin (RFC 6454, 7), which a
POST of another site always has, and in Sec-Fetch-Site (W3C, Fetch Metadata Request Headers), which tells of GETs too.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web

from sluice_gateway.credentials import Secret, UnusableValue
from sluice_gateway.errors import AdminClosed, CallerError, InvalidAPIKey
from sluice_gateway.settings import Settings
from sluice_gateway.sources.token_file import read_token
from sluice_gateway.telemetry.log import Logger

BY_TOKEN, BY_PLACE = "token", "local"
"""Who has asked, as the log names it."""
_HOW = "set SLUICE_ADMIN_TOKEN_FILE to a file with a token, and send it as: Authorization: Bearer TOKEN"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]{0,5})?")  # RFC 9110, 7.2
_NAMES = frozenset({"localhost", "localhost."})
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")  # RFC 7239; RFC 9110, 7.6.3
_SAFE_SITES = frozenset({"same-origin", "none"})  # "same-site" is another port of this machine, whoever serves it


class Access:
    """Lets requests in or refuses them. ``token_file``: see SLUICE_ADMIN_TOKEN_FILE.

    ``local``: whether there is one listener, which only this machine reaches; a token file asks all for the token.
    """

    def __init__(self, token_file: Path | None, *, local: bool, logger: Logger) -> None:
        self._token_file = token_file
        self._local = local
        self._logger = logger

    def admit(self, request: web.BaseRequest) -> str:
        """Who asks. Raises AdminClosed, and InvalidAPIKey for a token that is none; each is logged."""
        try:
            if self._token_file is not None:
                return _by_token(self._token_file, request.headers.getall("authorization", ()))
            return self._by_place(request)
        except CallerError as error:
            self._logger.warning("admin refused", method=request.method, path=request.path, reason=error.message)
            raise

    def _by_place(self, request: web.BaseRequest) -> str:
        if not self._local:
            raise AdminClosed(f"the admin paths are closed: {_HOW}")
        headers = request.headers
        foreign = not_from_here(
            headers.getall("host", ()), headers.getall("origin", ()), headers.getall("sec-fetch-site", ())
        )
        if not foreign and any(name in headers for name in _OF_PROXIES):
            foreign = "a proxy has passed the request on, for whoever"
        if foreign:
            raise AdminClosed(f"without a token, the admin paths are open to programs of this machine: {foreign}")
        return BY_PLACE


def only_this_machine(settings: Settings) -> bool:
    """Whether there is one listener, at an address of the loopback."""
    return settings.internal_listen is None and is_loopback(settings.listen.host)


def not_from_here(hosts: Sequence[str], origins: Sequence[str], sites: Sequence[str]) -> str:
    """Why a request is not one that a program of this machine has sent to it by name; "" when it is.

    The arguments are what stands in the headers Host, Origin and Sec-Fetch-Site.
    """
    if len(hosts) != 1 or not is_loopback(_name(hosts[0])):
        return "the header host must be localhost or a loopback address"
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
        return "the header origin names another site"
    if not _SAFE_SITES.issuperset(sites):
        return "the header sec-fetch-site says that another site asks"
    return ""


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without port and brackets, is of this machine alone (RFC 6761, 6.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _NAMES


def _name(host: str) -> str:
    """The header Host without its port; "" when it is malformed."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]) if found else ""


def _by_token(file: Path, given: Sequence[str]) -> str:
    try:
        token = read_token(file)
    except UnusableValue as error:
        raise AdminClosed(f"the admin paths are closed: SLUICE_ADMIN_TOKEN_FILE is set, but {error}") from None
    scheme, _, shown = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not shown.strip():
        raise InvalidAPIKey("no admin token was given; send it as: Authorization: Bearer TOKEN")
    if not _same(shown.strip(), token):
        raise InvalidAPIKey("the admin token is not the one that was set")
    return BY_TOKEN


def _same(shown: str, token: Secret) -> bool:
    """Compared by digest: the time says neither how long the token is nor how much of it was guessed right."""
    given = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()
    return hmac.compare_digest(given, hashlib.sha256(token.reveal().encode()).digest())
