"""Whole answers, written to the transport in one piece.

On the wire they are what aiohttp's ``web.Response`` would send; making one and sending it through aiohttp's writer
would be a tenth of what a request costs.
"""

import re
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from time import time

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion, HttpVersion10, HttpVersion11

from sluice_gateway.server.patience import HIGH_WATER, Patience

# What could end a header and begin another, or the body: RFC 9110, 5.5, lets a value have no control but the tab.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Sent(web.StreamResponse):
    """An answer that has gone out whole, as aiohttp wants to be given one by a handler: it finds nothing left to do."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        if not keep_alive:
            self.force_close()

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may serve another request."""
        return super().keep_alive is not False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """The head is out."""

    async def write_eof(self, data: bytes = b"") -> None:
        """So is the body."""


async def deliver(
    body: bytes, headers: Mapping[str, str], request: web.BaseRequest, *, last: bool, stall_seconds: float
) -> Sent:
    """Answer a request other than HEAD with 200, and see it off.

    ``headers``: values may come from anywhere, names are not checked. ``last``: the connection takes no more requests.
    Raises ConnectionError when the caller has left, or takes nothing; ValueError for a value with control characters.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    values = "".join(headers.values())
    if not values.isprintable() and _CONTROL.search(values):  # the first alone is quick, but knows no tab
        raise ValueError("a header's value has control characters")
    keep_alive = request.keep_alive and not last
    begin, end = _frame(request.version, keep_alive)
    lines = "\r\n".join(map(": ".join, headers.items()))
    more = f"Content-Length: {len(body)}\r\nDate: {_date(int(time()))}"
    data = f"{begin}\r\n{lines}\r\n{more}\r\n{end}\r\n".encode() + body
    transport.write(data)
    request.writer.output_size = len(data)  # so that whatever fails from here on is known to come behind an answer
    if transport.get_write_buffer_size() > HIGH_WATER:
        await Patience(transport, stall_seconds).wait(request.writer.drain())
    return Sent(keep_alive=keep_alive)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=16)
def _frame(version: HttpVersion, keep_alive: bool) -> tuple[str, str]:
    """The first line of the head, and the last: it says what the version does not do by itself (RFC 9112, 9.3)."""
    status = f"HTTP/{version.major}.{version.minor} 200 OK"
    if keep_alive:
        return status, "Connection: keep-alive\r\n" if version == HttpVersion10 else ""
    return status, "Connection: close\r\n" if version == HttpVersion11 else ""
