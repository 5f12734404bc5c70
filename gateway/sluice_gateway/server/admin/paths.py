"""/admin/*: what a gateway's operators see of it at run time, and what they may override for a while."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.calls import Call, parse
from sluice_gateway.errors import CallerError, GatewayError, NotReady, UnsupportedMediaType
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.admin import documents
from sluice_gateway.server.admin.access import Access
from sluice_gateway.server.admin.overrides import Action, Overrides
from sluice_gateway.server.admin.providers import Providers
from sluice_gateway.server.admin.questions import Override, read_override, read_question
from sluice_gateway.server.body import read_json_body
from sluice_gateway.server.door import Handler, Methods
from sluice_gateway.server.replies import JSON, json_reply
from sluice_gateway.server.served import Served, Serving
from sluice_gateway.telemetry.log import Logger

Document = Mapping[str, Any]
Explain = Callable[[RoutingTable, Call, str, str], Document]
"""What would become of a call now: by the table, with the strategy that it asks for ("" without), for a consumer."""
Tell = Callable[[Action, str, str | None, int], Awaitable[bool]]
"""Tells all pods of an override: the action, the provider, its model (None: all), seconds. Whether they will hear."""

_ALONE = "it holds for the pod that was asked alone: "
_NOBODY_TO_TELL = f"{_ALONE}pods hear of each other through a state Redis, and SLUICE_STATE_URL names none"
_NOT_TOLD = f"{_ALONE}the state Redis did not answer; ask each of the others, or ask again later"
_TOLD = "it holds for all pods of the gateway, and for those that start meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The handlers. Without a state Redis, ``tell`` is None. ``wall`` gives epoch seconds, ``clock`` others that only
    grow.

    ``access`` looks at each request before anything of it is read.
    """

    access: Access
    serving: Serving
    breakers: Breakers
    overrides: Overrides
    providers: Providers
    explain: Explain
    tell: Tell | None
    clock: Callable[[], float]
    wall: Callable[[], float]
    logger: Logger
    max_body_bytes: int

    def paths(self) -> Mapping[str, Methods]:
        """All of them, by path and method."""
        return {
            "/admin/providers": {"GET": self._show_providers},
            "/admin/breakers": {"GET": self._show_breakers},
            **{f"/admin/breakers/{action}": {"POST": self._setting(action)} for action in Action},
            "/admin/explain": {"POST": self._explain},
        }

    async def _show_providers(self, request: web.BaseRequest) -> web.Response:
        self.access.admit(request)
        return _reply(self.providers.described(self._served(), _only(request, "provider")))

    async def _show_breakers(self, request: web.BaseRequest) -> web.Response:
        self.access.admit(request)
        return _reply(documents.breakers(self.breakers.all(self.clock())))

    def _setting(self, action: Action) -> Handler:
        async def handle(request: web.BaseRequest) -> web.Response:
            who = self.access.admit(request)
            asked = read_override(await self._body(request), timed=action is not Action.RESET)
            self.overrides.check(asked)
            models = self.overrides.take(action, asked)
            told: bool | None = None
            try:
                if self.tell is not None:
                    told = False  # for whoever leaves now
                    told = await self.tell(action, *asked)
            finally:
                self._log(who, action, asked, told)
            return _reply(
                {
                    "action": action,
                    "provider": asked.provider,
                    **documents.cut("models", models),
                    "until": self._until(asked.seconds),
                    "scope": _scope(told),
                    "note": _NOBODY_TO_TELL if told is None else _TOLD if told else _NOT_TOLD,
                }
            )

        return handle

    def _log(self, who: str, action: Action, asked: Override, told: bool | None) -> None:
        self.logger.warning(
            "admin override",
            who=who,
            action=action,
            provider=asked.provider,
            model=asked.model or "*",
            until=self._until(asked.seconds),
            scope=_scope(told),
        )

    def _until(self, seconds: int) -> str | None:
        if not seconds:
            return None
        end = datetime.fromtimestamp(self.wall() + seconds, UTC)
        return end.isoformat(timespec="seconds").replace("+00:00", "Z")

    async def _explain(self, request: web.BaseRequest) -> web.Response:
        self.access.admit(request)
        asked = read_question(await self._body(request))
        served = self._served()
        try:
            call = parse(asked.body, asked.shape)
            return _reply(self.explain(served.table, call, asked.strategy, asked.consumer))
        except GatewayError as error:  # the answer that the caller would get
            return _reply({"answer": f"{error.status} {error.code}", "because": error.message, "param": error.param})

    async def _body(self, request: web.BaseRequest) -> bytes:
        """A browser sends what it takes for no JSON to other sites without asking them first."""
        if "content-type" not in request.headers:
            raise UnsupportedMediaType("send the body as JSON, with the header content-type: application/json")
        return await read_json_body(request, self.max_body_bytes)

    def _served(self) -> Served:
        served = self.serving.now()
        if served is None:
            raise NotReady("no configuration has been loaded; see /internal/config", retry_after=1)
        return served


def _scope(told: bool | None) -> str:
    return "gateway" if told else "pod"


def _only(request: web.BaseRequest, name: str) -> str | None:
    """The one parameter that the query may have."""
    for given in request.query:
        if given != name:
            raise CallerError(f"there is no parameter {given[:64]!r}, only {name}", param=given[:64])
    return request.query.get(name)


def _reply(document: Document) -> web.Response:
    headers = CIMultiDict({"content-type": JSON, "server": "sluice", "cache-control": "no-store"})
    return json_reply(msgspec.json.encode(document), headers)
