"""Breakers that somebody sets by hand, for a stated time. Resources stay as they are."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from sluice_gateway.errors import NotFound
from sluice_gateway.resilience.breaker import Breaker
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.admin.documents import some
from sluice_gateway.server.admin.questions import Override
from sluice_gateway.server.served import Serving

if TYPE_CHECKING:  # a process without a state Redis does not load its client
    from sluice_gateway.state.news import Order, Told

ORDERS: "tuple[Order, ...]" = ("open", "close", "reset")
"""open: nothing is sent. close: requests are, whatever becomes of them. reset: forget failures, and overrides."""


class _Active(NamedTuple):
    order: "Order"
    until: float


class Overrides:
    """What was set by hand, in this pod or in another one. ``clock`` gives seconds that only grow.

    An override may be heard of before there is a configuration, and models may become known while it holds: it is kept
    until its time is over, and done to each breaker that it concerns when that is made.
    """

    def __init__(self, breakers: Breakers, clock: Callable[[], float]) -> None:
        self._breakers = breakers
        self._clock = clock
        self._table: RoutingTable | None = None
        self._serving = Serving(lambda: self._table)
        self._active: dict[tuple[str, str | None], _Active] = {}
        breakers.preparers.append(self._prepare)

    def follow(self, table: RoutingTable) -> None:
        """A new configuration is served."""
        self._table = table
        if not (held := self._held()):
            return
        there = {(one.provider, one.model) for one in self._breakers.all(self._clock())}
        for (provider, model), active in held.items():  # in the order in which they were asked for
            self._set(active, provider, [one for one in self._models(provider, model) if (provider, one) not in there])

    def check(self, asked: Override) -> None:
        """Raises NotFound for a provider or a model that there is not, with the names of those that there are."""
        served = self._serving.now()
        if served is None:
            raise NotFound("no configuration has been loaded, so there is no provider", param="provider")
        if asked.provider not in served.providers:
            raise NotFound(f"there is no provider {asked.provider!r}, only {some(served.providers)}", param="provider")
        if asked.model is None or served.takes_any_model(asked.provider):
            return
        known = self._models(asked.provider, None)
        if asked.model not in known:
            raise NotFound(f"{asked.provider} has no model {asked.model!r}, only {some(known)}", param="model")

    def hear(self, told: "Told") -> None:
        """Do what another pod tells, of all models when it names none. Hints are no orders."""
        if told.kind != "opened":
            self.take(told.kind, Override(told.provider, told.model or None, told.seconds))

    def superseded(self, asked: Override) -> list[str]:
        """The models that are set by themselves, in the place of which an order comes that is for all."""
        if asked.model is not None:
            return []
        return [model for provider, model in self._held() if provider == asked.provider and model is not None]

    def take(self, order: "Order", asked: Override) -> list[str]:
        """Do it, as far as this pod knows what it concerns; the models that it does."""
        now = self._clock()
        provider, model = asked.provider, asked.model
        active = _Active(order, now + asked.seconds)
        self._active = {key: one for key, one in self._held().items() if not _replaced(key, provider, model)}
        models = sorted(self._models(provider, model))
        if order == "reset":
            for one in models:
                if (breaker := self._breakers.find(provider, one)) is not None:
                    breaker.reset(now)
        else:
            self._active[provider, model] = active
            self._set(active, provider, models)
        return models

    def _held(self) -> dict[tuple[str, str | None], _Active]:
        """Those whose time is not over; the others are forgotten."""
        now = self._clock()
        self._active = {key: active for key, active in self._active.items() if active.until > now}
        return self._active

    def _models(self, provider: str, model: str | None) -> set[str]:
        if model is not None:
            return {model}
        asked = {one.model for one in self._breakers.all(self._clock()) if one.provider == provider}
        served = self._serving.now()
        return asked | served.models_of(provider) if served is not None else asked

    def _set(self, active: _Active, provider: str, models: Iterable[str]) -> None:
        served = self._serving.now()
        known = served.providers.get(provider) if served is not None else None
        if known is not None:
            for model in models:
                _do(active, self._breakers.of(provider, model, known.breaker))

    def _prepare(self, provider: str, model: str, breaker: Breaker) -> None:
        """A model is asked for the first time, whose name a caller has chosen: what holds for it is done to it."""
        active = self._active.get((provider, model)) or self._active.get((provider, None))
        if active is not None and active.until > self._clock():
            _do(active, breaker)


def _do(active: _Active, breaker: Breaker) -> None:
    (breaker.open if active.order == "open" else breaker.close)(active.until)


def _replaced(key: tuple[str, str | None], provider: str, model: str | None) -> bool:
    return key == (provider, model) or (key[0] == provider and model is None)
