"""From an origin to a connected transport: name resolution, happy eyeballs, TCP options, TLS."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable, Sequence

from aiohappyeyeballs import AddrInfoType, start_connection

from sluice_gateway.upstream.connection import Connection
from sluice_gateway.upstream.endpoint import Origin
from sluice_gateway.upstream.errors import ConnectFailed

# RFC 8305 section 5 recommends 250 ms between two attempts.
_ATTEMPT_DELAY = 0.25


@functools.cache
def default_tls() -> ssl.SSLContext:
    """Verification against the system's authorities, TLS 1.2 or newer. Made once, as it costs tens of milliseconds."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


async def dial(origin: Origin, factory: Callable[[], Connection], tls: Callable[[], ssl.SSLContext]) -> Connection:
    """Connect, over TLS for https (server name and verification by the origin's host). Raises ConnectFailed.

    The caller sets the time limit and cancels; a half-open connection is closed then.
    """
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectFailed(_reason(error)) from error
    return await connect(addresses, origin, factory, tls)


async def connect(
    addresses: Sequence[AddrInfoType],
    origin: Origin,
    factory: Callable[[], Connection],
    tls: Callable[[], ssl.SSLContext],
) -> Connection:
    """Connect to the first of `addresses` that answers. Raises ConnectFailed."""
    loop = asyncio.get_running_loop()
    try:
        sock = await start_connection(addresses, happy_eyeballs_delay=_ATTEMPT_DELAY, interleave=1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if origin.scheme == "https":
            _, connection = await loop.create_connection(factory, sock=sock, ssl=tls(), server_hostname=origin.host)
        else:
            _, connection = await loop.create_connection(factory, sock=sock)
    except OSError as error:
        raise ConnectFailed(_reason(error)) from error
    return connection


def _reason(error: OSError) -> str:
    """Why, without the host name and addresses that the system's own texts carry."""
    match error:
        case socket.gaierror():
            return "the host name could not be resolved"
        case ssl.SSLCertVerificationError():
            return "the TLS certificate was not accepted"
        case ssl.SSLError():
            return "the TLS handshake failed"
        case ConnectionRefusedError():
            return "connection refused"
        case _:
            return "connection failed"
