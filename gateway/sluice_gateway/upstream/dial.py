"""From an origin to a connected transport: name resolution, happy eyeballs, TCP options, TLS.

The reasons of failures are our own words, as the system's carry host names and addresses.
"""

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
        raise ConnectFailed("the host name could not be resolved") from error
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
    except ConnectionRefusedError as error:
        raise ConnectFailed("connection refused") from error
    except OSError as error:
        raise ConnectFailed from error
    context, name = (tls(), origin.host) if origin.scheme == "https" else (None, None)
    try:
        _, connection = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise ConnectFailed("the TLS certificate was not accepted") from error
    except OSError as error:
        raise ConnectFailed("the TLS handshake failed") from error
    return connection
