"""The same contract over aiohttp's client: for networks that are left through a forward proxy, and as the reference."""

import asyncio
import io
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace, TracebackType

import aiohttp
from yarl import URL

from sluice_gateway.upstream.contract import Answer, Sink, Timeouts, relay_by_chunks
from sluice_gateway.upstream.decode import decoded
from sluice_gateway.upstream.dial import default_tls
from sluice_gateway.upstream.endpoint import Endpoint, encode_headers
from sluice_gateway.upstream.errors import (
    AnswerTooLarge,
    BadAnswer,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    UpstreamError,
    UpstreamTimeout,
)
from sluice_gateway.upstream.parser import MAX_HEAD, MAX_HEADERS
from sluice_gateway.upstream.proxies import Proxies

_UNWANTED = ("Accept", "Content-Type", "User-Agent")


class SessionUpstream:
    """See contract.Upstream. Goes through the forward proxies that `environ` names; see proxies.Proxies.

    Differences from the lean leg: a request whose kept connection proved dead is not repeated, `first_byte` counts from
    the moment there is a connection, the bound on size is for each header, and `close` cuts what is under way.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        limit: int = 1000,
        tls: Callable[[], ssl.SSLContext] = default_tls,
    ) -> None:
        self._proxies = Proxies(environ)
        self._limit = limit
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(
        self, endpoint: Endpoint, body: bytes, timeouts: Timeouts, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """See contract.Upstream."""
        encode_headers(headers)  # for its checks; aiohttp's are fewer
        now = asyncio.get_running_loop().time()
        limit = _Limit(now + timeouts.total, timeouts.connect, ConnectTimeout)

        def connected() -> None:
            limit.start(timeouts.first_byte, FirstByteTimeout)

        async with limit:
            with _translated(answered=False):
                response = await self._open().request(
                    endpoint.method,
                    URL(endpoint.url, encoded=True),
                    # A file, as aiohttp would write large bytes in one go.
                    data=io.BytesIO(body) if body else None,
                    headers=[("accept-encoding", "identity"), *endpoint.headers, *headers],
                    skip_auto_headers=_UNWANTED,
                    allow_redirects=False,
                    proxy=self._proxies.url(endpoint.origin),
                    ssl=self._tls() if endpoint.origin.scheme == "https" else True,
                    trace_request_ctx=connected,
                )
        return decoded(SessionAnswer(response, timeouts.idle, limit.total_at))

    async def close(self) -> None:
        """See contract.Upstream."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConnectFailed("the client is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                auto_decompress=False,
                trace_configs=[_connection_trace()],
                max_line_size=MAX_HEAD,
                max_field_size=MAX_HEAD,
                max_headers=MAX_HEADERS,
            )
        return self._session


class SessionAnswer:
    """See contract.Answer."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float, total_at: float) -> None:
        self._response = response
        self._idle = idle
        self._total_at = total_at
        self.status = response.status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """See contract.Answer."""
        return [(name.lower(), value) for name, value in self._response.headers.items()]

    def header(self, name: str) -> str | None:
        """See contract.Answer."""
        return self._response.headers.get(name)

    async def read(self, limit: int) -> bytes:
        """See contract.Answer."""
        body = bytearray()
        while piece := await self.chunk():
            body += piece
            if len(body) > limit:
                self.close()
                raise AnswerTooLarge
        return bytes(body)

    async def chunk(self) -> bytes:
        """See contract.Answer."""
        try:
            async with _Limit(self._total_at, self._idle, IdleTimeout):
                with _translated(answered=True):
                    return await self._response.content.readany()
        except (UpstreamError, asyncio.CancelledError):
            self.close()
            raise

    async def relay(self, sink: Sink) -> None:
        """See contract.Answer."""
        await relay_by_chunks(self, sink)

    def close(self) -> None:
        """See contract.Answer."""
        self._response.close()


class _Limit:
    """A time limit that moves on with the phases of an exchange, under one total limit (the loop's clock)."""

    def __init__(self, total_at: float, seconds: float, late: type[UpstreamTimeout]) -> None:
        self.total_at = total_at
        self._now = asyncio.get_running_loop().time
        self._scope = asyncio.timeout_at(self._set(seconds, late))

    def start(self, seconds: float, late: type[UpstreamTimeout]) -> None:
        """Another phase: `seconds` from now on, or else `late`."""
        if not self._scope.expired():
            self._scope.reschedule(self._set(seconds, late))

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises UpstreamTimeout."""
        try:
            await self._scope.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise self._late from None

    def _set(self, seconds: float, late: type[UpstreamTimeout]) -> float:
        at = self._now() + seconds
        self._late = late if at < self.total_at else TotalTimeout
        return min(at, self.total_at)


def _connection_trace() -> aiohttp.TraceConfig:
    """Tells a request's context, which is a callable, that there is a connection."""

    async def connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


@contextmanager
def _translated(*, answered: bool) -> Iterator[None]:
    """Raise aiohttp's errors as this package's."""
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
        raise ConnectFailed("the TLS certificate was not accepted") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise ConnectFailed("the host name could not be resolved") from error
    except aiohttp.ClientHttpProxyError:
        raise ConnectFailed("the proxy refused") from None
    except aiohttp.ClientConnectorError as error:
        raise ConnectFailed from error
    except (aiohttp.ClientResponseError, aiohttp.http.HttpProcessingError):
        # The cause is left out: it carries the request with its headers, and so the key.
        raise BadAnswer from None
    except aiohttp.ClientPayloadError as error:
        raise ConnectionLost(answered=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(answered=answered) from error
