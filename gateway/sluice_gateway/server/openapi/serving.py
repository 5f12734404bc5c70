"""The handlers of /openapi.json and /docs."""

from collections.abc import Iterable

import msgspec
from aiohttp import web

from sluice_gateway.server.caching import cached_reply
from sluice_gateway.server.openapi.document import document, undescribed
from sluice_gateway.server.openapi.page import POLICY, page
from sluice_gateway.server.replies import JSON

FRESH_SECONDS = 300
"""The document changes with the gateway's version alone."""


class Description:
    """Of a listener with ``paths``. Both forms are made when they are first asked for, and kept.

    Raises ValueError for paths of which nothing is said.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        if missing := undescribed(self._paths):
            raise ValueError(f"nothing is said in server/openapi of {', '.join(missing)}")
        self._document = b""
        self._page = b""

    async def show(self, request: web.BaseRequest) -> web.Response:
        """For programs."""
        self._document = self._document or msgspec.json.encode(document(self._paths))
        return cached_reply(self._document, request.headers, JSON, f"public, max-age={FRESH_SECONDS}")

    async def show_page(self, request: web.BaseRequest) -> web.Response:
        """For people."""
        self._page = self._page or page(self._paths).encode()
        kind, fresh = "text/html; charset=utf-8", f"public, max-age={FRESH_SECONDS}"
        reply = cached_reply(self._page, request.headers, kind, fresh)
        reply.headers["content-security-policy"] = POLICY
        reply.headers["x-content-type-options"] = "nosniff"
        reply.headers["referrer-policy"] = "no-referrer"
        return reply
