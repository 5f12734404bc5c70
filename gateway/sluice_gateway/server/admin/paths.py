"""/admin/*: what a gateway's operators see of it at run time, and what they may override for a while."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sluice_gateway.calls import Call, parse
from sluice_gateway.errors import CallerError, GatewayError, NotReady, UnsupportedMediaType
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.admin import documents
from sluice_gateway.server.admin.access import Access
from sluice_gateway.server.admin.limits import Limits
from sluice_gateway.server.admin.overrides import ORDERS, Overrides
from sluice_gateway.server.admin.providers import Providers
from sluice_gateway.server.admin.questions import LONGEST_NAME, Override, read_override, read_question
from sluice_gateway.server.body import read_json_body
from sluice_gateway.server.door import Handler, Methods
from sluice_gateway.server.replies import JSON, json_reply
from sluice_gateway.server.served import Served, Serving
from sluice_gateway.telemetry.log import Logger

if TYPE_CHECKING:  # a process without a state Redis does not load its client
    from sluice_gateway.state.news import Order

Document = Mapping[str, Any]
Explain = Callable[[RoutingTable, Call, str, str], Document]
"""What would become of a call now: by the table, with the strategy that it asks for ("" without), for a consumer."""

_ALONE = "it holds for the pod that was asked alone: "
_NOBODY_TO_TELL = f"{_ALONE}pods hear of each other through a state Redis, and SLUICE_STATE_URL names none"
_NOT_TOLD = f"{_ALONE}the state Redis did not answer; ask each of the others, or ask again later"
_TOLD = "it holds for all pods of the gateway, and for those that start meanwhile"


class Teller(Protocol):
    """Tells all other pods: ``state.news.News``."""

    async def override(self, order: "Order", provider: str, model: str, seconds: float = 0) -> bool:
        """To open, close or reset a provider's model, or all when it is ""; whether they will hear of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The handlers. Without a state Redis, ``news`` is None. ``wall`` gives epoch seconds, ``clock`` others that only
    grow.

    ``access`` looks at each request before anything of it is read.
    """

    access: Access
    serving: Serving
    breakers: Breakers
    overrides: Overrides
    providers: Providers
    limits: Limits
    explain: Explain
    news: Teller | None
    clock: Callable[[], float]
    wall: Callable[[], float]
    logger: Logger
    max_body_bytes: int

    def paths(self) -> Mapping[str, Methods]:
        """All of them, by path and method."""
        return {
            "/admin/providers": {"GET": self._show_providers},
            "/admin/breakers": {"GET": self._show_breakers},
            **{f"/admin/breakers/{order}": {"POST": self._setting(order)} for order in ORDERS},
            "/admin/limits": {"GET": self._show_limits},
            "/admin/explain": {"POST": self._explain},
        }

    async def _show_providers(self, request: web.BaseRequest) -> web.Response:
        self.access.admit(request)
        asked = _parameters(request, "provider")
        return _reply(await self.providers.described(self._served(), asked.get("provider")))

    async def _show_limits(self, request: web.BaseRequest) -> web.Response:
        self.access.admit(request)
        asked = _parameters(request, "route", "consumer")
        return _reply(await self.limits.of_routes(self._served(), asked.get("route"), asked.get("consumer")))

    async def _show_breakers(self, request: web.BaseRequest) -> web.Response:
        self.access.admit(request)
        return _reply(documents.breakers(self.breakers.all(self.clock())))

    def _setting(self, order: "Order") -> Handler:
        async def handle(request: web.BaseRequest) -> web.Response:
            who = self.access.admit(request)
            asked = read_override(await self._body(request), timed=order != "reset")
            self.overrides.check(asked)
            superseded = self.overrides.superseded(asked)
            models = self.overrides.take(order, asked)
            told = False if self.news is not None else None  # for whoever leaves now
            try:
                if self.news is not None:
                    told = await _tell(self.news, order, asked, superseded)
            finally:
                self._log(who, order, asked, told)
            return _reply(
                {
                    "action": order,
                    "provider": asked.provider,
                    **documents.cut("models", models),
                    "until": self._until(asked.seconds),
                    "scope": _scope(told),
                    "note": _NOBODY_TO_TELL if told is None else _TOLD if told else _NOT_TOLD,
                }
            )

        return handle

    def _log(self, who: str, order: "Order", asked: Override, told: bool | None) -> None:
        self.logger.warning(
            "admin override",
            who=who,
            action=order,
            provider=asked.provider,
            model=asked.model or "*",
            until=self._until(asked.seconds),
            scope=_scope(told),
        )

    def _until(self, seconds: float) -> str | None:
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
            call.body_for("x")  # what would be refused on its way out is refused here too
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


async def _tell(news: Teller, order: "Order", asked: Override, superseded: Iterable[str]) -> bool:
    """What is kept for pods that start later is kept by model: what no longer holds is taken out first."""
    resets = [news.override("reset", asked.provider, model) for model in superseded]
    return all(await asyncio.gather(*resets, news.override(order, asked.provider, asked.model or "", asked.seconds)))


def _scope(told: bool | None) -> str:
    return "gateway" if told else "pod"


def _parameters(request: web.BaseRequest, *known: str) -> Mapping[str, str]:
    """What the query may say. Raises CallerError."""
    for given, value in request.query.items():
        if given not in known:
            raise CallerError(f"there is no parameter {given[:64]!r}, only {', '.join(known)}", param=given[:64])
        if not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
            raise CallerError(f"{given} must be a text of 1 to {LONGEST_NAME} characters", param=given)
    return request.query


def _reply(document: Document) -> web.Response:
    headers = CIMultiDict({"content-type": JSON, "server": "sluice", "cache-control": "no-store"})
    return json_reply(msgspec.json.encode(document), headers)
