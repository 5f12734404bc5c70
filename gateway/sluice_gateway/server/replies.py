"""Replies to callers: their headers, errors, and the caller's side of a stream."""

import asyncio
from collections.abc import Mapping, MutableMapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from sluice_gateway.dialects.dialect import ErrorWriter
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.errors import GatewayError
from sluice_gateway.limits.headers import ratelimit_headers
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.patience import HIGH_WATER, Patience
from sluice_gateway.telemetry.record import Record

JSON = "application/json"
_MESSAGES = "/v1/messages"  # whose clients look for the request's id in a header of Anthropic's name
_OPENAI = OpenAIErrors()
EVENTS = "text/event-stream; charset=utf-8"


def headers_of(record: Record, kind: str, table: RoutingTable | None) -> dict[str, str]:
    """The headers of every reply to a request for a model, as far as they are known."""
    headers = {"content-type": kind, "server": "sluice", "x-request-id": record.request_id}
    if record.path.startswith(_MESSAGES):
        headers["request-id"] = record.request_id
    if record.route:
        headers["x-sluice-route"] = record.route
    if record.target:
        headers["x-sluice-target"] = record.target
        headers["x-sluice-attempts"] = str(record.attempts)
    if record.levels:
        headers.update(ratelimit_headers(record.levels))
    if table is not None:
        headers["x-sluice-config"] = table.tag
    return headers


def json_reply(body: bytes, headers: Mapping[str, str], status: int = 200) -> web.Response:
    """A whole reply."""
    return web.Response(status=status, body=body, headers=headers)


def error_reply(error: GatewayError, headers: MutableMapping[str, str], writer: ErrorWriter = _OPENAI) -> web.Response:
    """An error in the caller's shape."""
    headers.update(error.headers())
    return web.Response(status=error.status, body=writer.error(error), headers=headers)


class StreamReply:
    """The caller's side of a stream. Implements ``relay.Client``.

    Frames are written to the transport as chunks of HTTP/1.1 (RFC 9112, 7.1) without aiohttp's writer in between, which
    would be a third of what a frame costs; the head and the end are aiohttp's.
    """

    def __init__(self, request: web.BaseRequest, record: Record, table: RoutingTable, stall_seconds: float) -> None:
        self.started = False
        self.response: web.StreamResponse | None = None
        self._request = request
        self._record = record
        self._table = table
        self._stall_seconds = stall_seconds
        self._chunked = request.version >= HttpVersion11
        self._writer: AbstractStreamWriter
        self._transport: asyncio.Transport

    async def start(self) -> None:
        """Send the head; its headers say what is known now. Raises ConnectionResetError when the caller has left."""
        if self._request.transport is None:
            raise ConnectionResetError
        self._transport = self._request.transport
        self.started = True
        headers = headers_of(self._record, EVENTS, self._table)
        headers["cache-control"] = "no-cache"
        headers["x-accel-buffering"] = "no"  # tells nginx in front not to hold frames back
        self.response = web.StreamResponse(headers=headers)
        if not self._chunked:
            self.response.force_close()  # the end of the connection is the end of the answer, keep-alive or not
        writer = await self.response.prepare(self._request)
        if writer is None:
            raise ConnectionResetError
        self._writer = writer

    def write(self, data: bytes) -> bool:
        """Send whole frames; False when the caller reads too slowly, or has left."""
        transport = self._transport
        if transport.is_closing():
            return False
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        return transport.get_write_buffer_size() <= HIGH_WATER

    async def drained(self) -> None:
        """Wait until the caller has taken enough. Raises ConnectionError when it has left, or takes nothing at all."""
        if self._transport.is_closing():
            raise ConnectionResetError
        await Patience(self._transport, self._stall_seconds).wait(self._writer.drain())

    async def end(self) -> None:
        """End the answer, and see it off."""
        if self.response is not None:
            await Patience(self._transport, self._stall_seconds).wait(self.response.write_eof())
