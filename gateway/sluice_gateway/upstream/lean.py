"""The lean upstream leg: HTTP/1.1 on asyncio protocols. `ClientSession` would cost more than the rest of a gateway."""

import asyncio
import ssl
from collections.abc import Callable, Sequence

from sluice_gateway.upstream.connection import Connection
from sluice_gateway.upstream.contract import Answer, Timeouts
from sluice_gateway.upstream.decode import decoded
from sluice_gateway.upstream.dial import default_tls, dial
from sluice_gateway.upstream.endpoint import Endpoint, Origin, encode_headers
from sluice_gateway.upstream.errors import ConnectFailed, ConnectionLost, ConnectTimeout, TotalTimeout
from sluice_gateway.upstream.pool import Occupancy, Pool


class LeanUpstream:
    """See contract.Upstream. Belongs to the event loop on which it is first used.

    `limit` bounds the connections to one origin, `idle_limit` those kept unused, each for `idle_seconds`: less than the
    60 s after which common load balancers close. `tls` makes the TLS context when the first https origin is met.
    """

    def __init__(
        self,
        *,
        limit: int = 1000,
        idle_limit: int = 100,
        idle_seconds: float = 55.0,
        tls: Callable[[], ssl.SSLContext] = default_tls,
    ) -> None:
        self._limit = limit
        self._idle_limit = idle_limit
        self._idle_seconds = idle_seconds
        self._tls = tls
        self._closed = False
        self._pools: dict[Origin, Pool] = {}

    async def send(
        self, endpoint: Endpoint, body: bytes, timeouts: Timeouts, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """See contract.Upstream. A kept connection that proves dead before any byte of an answer is replaced once."""
        head = _head(endpoint, headers, len(body))
        pool = self._pools.get(endpoint.origin) or self._add_pool(endpoint.origin)
        started = pool.time()
        if pool.idle:
            connection, reused = pool.idle.pop(), True
        else:
            connection, reused = await _connect(pool, timeouts, started, fresh=False)
        bodiless = endpoint.method == "HEAD"
        try:
            return decoded(await connection.exchange(head, body, timeouts, started + timeouts.total, bodiless=bodiless))
        except ConnectionLost as lost:
            if lost.answered or not reused:
                raise
        connection, _ = await _connect(pool, timeouts, started, fresh=True)
        return decoded(await connection.exchange(head, body, timeouts, started + timeouts.total, bodiless=bodiless))

    async def close(self) -> None:
        """See contract.Upstream."""
        self._closed = True
        for pool in self._pools.values():
            await pool.close()

    def occupancy(self) -> dict[Origin, Occupancy]:
        """Connections per origin, for metrics."""
        return {origin: pool.occupancy for origin, pool in self._pools.items()}

    def _add_pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise ConnectFailed("the client is closed")
        loop = asyncio.get_running_loop()

        def make() -> Connection:
            return Connection(loop, self._idle_seconds)

        pool = self._pools[origin] = Pool(loop, lambda: dial(origin, make, self._tls), self._limit, self._idle_limit)
        return pool


async def _connect(pool: Pool, timeouts: Timeouts, started: float, *, fresh: bool) -> tuple[Connection, bool]:
    total_at = started + timeouts.total
    connect_at = pool.time() + timeouts.connect
    try:
        async with asyncio.timeout_at(min(connect_at, total_at)):
            return await pool.connect(fresh=fresh)
    except TimeoutError:
        timeout = TotalTimeout if total_at < connect_at else ConnectTimeout
        raise timeout from None


def _head(endpoint: Endpoint, headers: Sequence[tuple[str, str]], length: int) -> bytes:
    extra = encode_headers(headers) if headers else b""
    if length or endpoint.sends_length:
        return b"%b%bcontent-length: %d\r\n\r\n" % (endpoint.head, extra, length)
    return b"%b%b\r\n" % (endpoint.head, extra)
