"""Fetching images that callers name by URL, for providers that take only bytes, where the policy allows it.

Hostile input: a caller could make the gateway read what only the cluster can reach. Only public addresses are connected
to; they are looked at after the name was resolved, and again at each redirect, and are those that are used.
"""

import asyncio
import base64
import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from sluice_config.resources.provider_policy import ImageFetch
from sluice_gateway.errors import CallerError
from sluice_gateway.normal.parts import Source

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif"})
_MOST_REDIRECTS = 3
_MOST_IMAGES = 20  # of one request
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Ranges in which an IPv4 address hides (RFC 6052, RFC 8215): translators in front of clusters connect to it.
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


def is_public(address: IPAddress) -> bool:
    """Whether an address is one of the public internet's: not private, loopback, link-local (where clouds keep their
    metadata), multicast, reserved, nor an IPv6 address that stands for an IPv4 one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address.sixtofour or address.teredo:
            return False
        if any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class CannotFetch(CallerError):
    """An image could not be had. The message names no address: what a name resolves to inside is nobody's business."""


class Images:
    """Fetches images. ``allowed`` decides about addresses."""

    def __init__(self, allowed: Callable[[IPAddress], bool] = is_public) -> None:
        self._allowed = allowed
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, urls: Iterable[str], spec: ImageFetch) -> dict[str, Source]:
        """Each of the URLs with its bytes, side by side. Raises CannotFetch."""
        wanted = list(dict.fromkeys(urls))
        if len(wanted) > _MOST_IMAGES:
            raise CannotFetch(f"a request may name at most {_MOST_IMAGES} images by URL for this provider")
        try:
            async with asyncio.timeout(spec.timeout_seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._fetch(url, spec.max_bytes)) for url in wanted]
        except TimeoutError:
            raise CannotFetch(f"an image could not be fetched within {spec.timeout_seconds} s") from None
        except BaseExceptionGroup as failures:
            if found := failures.subgroup(CannotFetch):
                raise _first(found) from None
            raise
        return {url: task.result() for url, task in zip(wanted, tasks, strict=True)}

    async def _fetch(self, url: str, most: int) -> Source:
        for _ in range(_MOST_REDIRECTS + 1):
            self._check(url)
            try:
                async with self._open().get(url, allow_redirects=False) as response:
                    if response.status in _REDIRECTS and (location := response.headers.get("location")):
                        url = urljoin(url, location)
                        continue
                    return await _read(response, most)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise CannotFetch("an image could not be fetched: no public server answers at its URL") from error
        raise CannotFetch(f"an image could not be fetched: more than {_MOST_REDIRECTS} redirects")

    def _check(self, url: str) -> None:
        """What the resolver will not see: the scheme, and hosts that are addresses themselves."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            raise CannotFetch("an image's URL is not valid") from None
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
            raise CannotFetch("an image's URL must be http or https, without user information")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if not self._allowed(address):
            raise CannotFetch("an image could not be fetched: no public server answers at its URL")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Resolver(self._allowed),
                use_dns_cache=False,
                force_close=True,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"user-agent": "sluice", "accept": ", ".join(sorted(_TYPES))},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _socket(self, where: AddrInfoType) -> socket.socket:
        """A socket for an allowed address. The last word: what the library took for an address was not resolved, such
        as a host in full-width digits, which mean the same once they are normalised (UTS 46).
        """
        family, kind, protocol, _, sockaddr = where
        if not self._allowed(ipaddress.ip_address(sockaddr[0])):
            raise OSError("not a public address")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """End what is under way."""
        if self._session is not None:
            await self._session.close()


async def _read(response: aiohttp.ClientResponse, most: int) -> Source:
    if response.status != 200:
        raise CannotFetch(f"an image could not be fetched: its server answered with status {response.status}")
    kind = response.content_type.lower()
    if kind not in _TYPES or response.headers.get("content-encoding", "identity") != "identity":
        raise CannotFetch("an image could not be fetched: what is at its URL is no image")
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > most:
            raise CannotFetch(f"an image could not be fetched: it is larger than {most} bytes")
    return Source(data=base64.b64encode(data).decode(), media_type=kind)


def _first(failures: BaseExceptionGroup[CannotFetch]) -> CannotFetch:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, CannotFetch) else CannotFetch(str(found))


class _Resolver(AbstractResolver):
    """Knows allowed addresses only."""

    def __init__(self, allowed: Callable[[IPAddress], bool]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of a name. Raises OSError when any is of another kind: names that are both are traps."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        if not addresses or not all(self._allowed(ipaddress.ip_address(address)) for address in addresses):
            raise OSError("not a public address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for (kind, _, protocol, *_), address in zip(found, addresses, strict=True)
        ]

    async def close(self) -> None:
        """Nothing is held open."""
