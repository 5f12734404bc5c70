"""Replies to callers: whole ones, errors, and the caller's side of a stream."""

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from sluice_gateway.errors import GatewayError
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.telemetry.record import Record

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"


def headers_of(record: Record, kind: str, table: RoutingTable | None) -> CIMultiDict[str]:
    """The headers of every reply to a request for a model, as far as they are known."""
    headers = CIMultiDict({"content-type": kind, "server": "sluice", "x-request-id": record.request_id})
    if record.route:
        headers["x-sluice-route"] = record.route
    if record.target:
        headers["x-sluice-target"] = record.target
        headers["x-sluice-attempts"] = str(record.attempts)
    if table is not None:
        headers["x-sluice-config"] = table.tag
    return headers


def json_reply(body: bytes, headers: CIMultiDict[str], status: int = 200) -> web.Response:
    """A whole reply."""
    return web.Response(status=status, body=body, headers=headers)


def error_reply(error: GatewayError, headers: CIMultiDict[str]) -> web.Response:
    """An error in OpenAI's shape."""
    headers.update(error.headers())
    return web.Response(status=error.status, body=error.body(), headers=headers)


class StreamReply:
    """The caller's side of a stream. Implements ``relay.Client``."""

    def __init__(self, request: web.BaseRequest, record: Record, table: RoutingTable) -> None:
        self.started = False
        self.response: web.StreamResponse | None = None
        self._request = request
        self._record = record
        self._table = table
        self._writer: AbstractStreamWriter | None = None

    async def start(self) -> None:
        """Send the head; its headers say what is known now."""
        self.started = True
        headers = headers_of(self._record, EVENTS, self._table)
        headers["cache-control"] = "no-cache"
        headers["x-accel-buffering"] = "no"  # tells nginx in front not to hold frames back
        self.response = web.StreamResponse(headers=headers)
        self._writer = await self.response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Send whole frames; waits while the caller reads too slowly."""
        if self._writer is not None:
            await self._writer.write(data)

    async def end(self) -> None:
        """End the answer."""
        if self.response is not None:
            await self.response.write_eof()

    def abort(self) -> None:
        """Drop the connection."""
        if self._request.transport is not None:
            self._request.transport.abort()
