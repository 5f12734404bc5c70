"""aiohttp's low-level server, made to answer every fault of HTTP itself in the caller's shape.

``web.Application`` is left out: its resolver and middlewares cost more per request than all that this gateway does.
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sluice_gateway.dialects.dialect import ErrorWriter
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.errors import CallerError, GatewayError
from sluice_gateway.telemetry.log import Logger, log_defect

IDLE_SECONDS = 75.0  # nginx's default: how long a connection may stay without a request
LINGER_SECONDS = 2.0  # for the rest of a refused body, so that the caller reads the refusal instead of a reset


Errors = Callable[[str], ErrorWriter]


class BadHTTP(CallerError):
    """What came is not an HTTP/1.1 request that can be understood."""


class Connection(RequestHandler):
    """One caller's connection."""

    def __init__(self, log: Logger, errors: Errors, server: web.Server, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._log = log
        self._errors = errors

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what never became a request, and defects; the connection is closed.

        Raises ConnectionError when an answer has begun, which can't be followed by another, or the caller has left.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        if status < 500:
            error: GatewayError = BadHTTP("the request is not valid HTTP/1.1")
        else:
            self.log_exception("a request", exc_info=exc)
            error = GatewayError("the gateway failed; its log says why")
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        body = self._errors(request.path).error(error)
        response = web.Response(
            status=error.status, body=body, headers={"content-type": "application/json", "server": "sluice"}
        )
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Called with what is under way and ``exc_info``, by aiohttp too: its logger would write no JSON."""
        log_defect(self._log, str(args[0]), kw.get("exc_info"))


class Server(web.Server):
    """Makes connections of our kind. ``errors``: how they are told to callers of a path."""

    def __init__(self, handler: Any, logger: Logger, errors: Errors = lambda _path: OpenAIErrors()) -> None:
        super().__init__(
            handler,
            handler_cancellation=True,  # a caller that leaves cancels its request, and so the provider's
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            access_log=None,
        )
        self._log = logger
        self._errors = errors

    def __call__(self) -> RequestHandler:
        """A protocol for a connection that has just been accepted."""
        return Connection(self._log, self._errors, self, loop=self._loop, **self._kwargs)
