"""GET /v1/models and /v1/models/{id}: what can be asked for, as OpenAI lists it, and what is known of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from sluice_gateway.configuration import Configuration
from sluice_gateway.errors import ModelNotFound, NotReady
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.caching import cached_reply
from sluice_gateway.server.inference import key_header
from sluice_gateway.server.model_facts import described
from sluice_gateway.server.replies import JSON
from sluice_gateway.telemetry.target_figures import Seen, TargetFigures

PREFIX = "/v1/models/"
FRESH_SECONDS = 5
"""How old figures may be: for so long a list is not made anew, and callers need not ask."""


class _List(NamedTuple):
    table: RoutingTable
    made: float
    body: bytes


class Models:
    """The handlers of both paths. ``clock`` gives seconds that only grow."""

    def __init__(self, configuration: Configuration, figures: TargetFigures, clock: Callable[[], float]) -> None:
        self._configuration = configuration
        self._figures = figures
        self._clock = clock
        self._list: _List | None = None

    async def list(self, request: web.BaseRequest) -> web.Response:
        """All names that this caller may ask for and that can be listed, in the order of their names."""
        table = self._table(request)
        now, kept = self._clock(), self._list
        if kept is None or kept.table is not table or now - kept.made >= FRESH_SECONDS:
            data = [described(name, match, self._seen) for name, match in sorted(table.names(), key=_name)]
            kept = self._list = _List(table, now, msgspec.json.encode({"object": "list", "data": data}))
        return _reply(kept.body, request.headers)

    async def show(self, request: web.BaseRequest) -> web.Response:
        """One name, listed or covered by a pattern."""
        table = self._table(request)
        name = request.path.removeprefix(PREFIX)
        match = table.match(name)
        if match is None:
            raise ModelNotFound.for_route(name)
        if not match.route.targets_for(name):
            raise ModelNotFound.for_route(name, match.route.label)
        return _reply(msgspec.json.encode(described(name, match, self._seen)), request.headers)

    def _table(self, request: web.BaseRequest) -> RoutingTable:
        table = self._configuration.table
        if table is None:
            raise NotReady("no configuration has been loaded; see /internal/config", retry_after=1)
        self._configuration.callers.identify(key_header(request))
        return table

    def _seen(self, provider: str, model: str) -> Seen | None:
        return self._figures.seen(provider, model, self._clock())


def _name(listed: tuple[str, Any]) -> str:
    return listed[0]


def _reply(body: bytes, asked: Mapping[str, str]) -> web.Response:
    return cached_reply(body, asked, JSON, f"private, max-age={FRESH_SECONDS}", "authorization, x-api-key")
