"""GET /v1/models and /v1/models/{id}: what can be asked for, as OpenAI lists it, with what the policies say of each
model.
"""

from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.configuration import Configuration
from sluice_gateway.errors import ModelNotFound, NotReady
from sluice_gateway.routing.table import Match, RoutingTable
from sluice_gateway.server.replies import JSON, json_reply

PREFIX = "/v1/models/"


class Models:
    """The handlers of both paths."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def list(self, request: web.BaseRequest) -> web.Response:
        """All names that this caller may ask for and that can be listed."""
        table = self._table(request)
        data = [_described(name, match) for name, match in table.names()]
        return _reply({"object": "list", "data": data})

    async def show(self, request: web.BaseRequest) -> web.Response:
        """One name, listed or covered by a pattern."""
        table = self._table(request)
        name = request.path.removeprefix(PREFIX)
        match = table.match(name)
        if match is None:
            raise ModelNotFound.for_route(name)
        if not match.route.targets_for(name):
            raise ModelNotFound.for_route(name, match.route.label)
        return _reply(_described(name, match))

    def _table(self, request: web.BaseRequest) -> RoutingTable:
        table = self._configuration.table
        if table is None:
            raise NotReady("no configuration has been loaded; see /internal/config", retry_after=1)
        self._configuration.callers.identify(request.headers.get("authorization"))
        return table


def _reply(document: dict[str, Any]) -> web.Response:
    return json_reply(msgspec.json.encode(document), CIMultiDict({"content-type": JSON, "server": "sluice"}))


def _described(name: str, match: Match) -> dict[str, Any]:
    """OpenAI's fields; then what the first target's policy says. ``created`` is unknown, and OpenAI's clients want a
    number.
    """
    target = match.route.targets_for(name)[0]
    provider = target.provider
    described: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": match.route.label,
        "provider": provider.vendor,
    }
    model = provider.models.get(target.model or name)
    if model is not None:
        facts = {
            "display_name": model.display_name,
            "description": model.description,
            "context_window": model.context_window,
            "max_output_tokens": model.max_output_tokens,
            "capabilities": list(model.capabilities),
            "pricing": model.pricing.model_dump(mode="json", by_alias=True, exclude_none=True)
            if model.pricing
            else None,
        }
        described |= {field: value for field, value in facts.items() if value}
    return described
