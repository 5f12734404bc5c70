"""Breakers that somebody sets by hand, for a stated time. Resources stay as they are."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from sluice_gateway.errors import NotFound
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.server.admin.documents import some
from sluice_gateway.server.admin.questions import Override
from sluice_gateway.server.served import Served


class Action(StrEnum):
    """OPEN: nothing is sent. CLOSE: requests are, whatever becomes of them. RESET: forget failures, and overrides."""

    OPEN = "open"
    CLOSE = "close"
    RESET = "reset"


class _Active(NamedTuple):
    action: Action
    until: float


class Overrides:
    """What was set by hand, in this pod or in another one. ``clock`` gives seconds that only grow.

    An override may be heard of before there is a configuration, and models may become known while it holds: it is kept
    until its time is over, and done to each breaker that it concerns when that is made.
    """

    def __init__(self, breakers: Breakers, clock: Callable[[], float]) -> None:
        self._breakers = breakers
        self._clock = clock
        self._served: Served | None = None
        self._active: dict[tuple[str, str | None], _Active] = {}

    def follow(self, table: RoutingTable) -> None:
        """A new configuration is served."""
        self._served, now = Served(table), self._clock()
        self._active = {key: active for key, active in self._active.items() if active.until > now}
        there = {(one.provider, one.model) for one in self._breakers.all(now)}
        for (provider, model), active in self._active.items():  # in the order in which they were asked for
            self._set(active, provider, [one for one in self._models(provider, model) if (provider, one) not in there])

    def check(self, asked: Override) -> None:
        """Raises NotFound for a provider or a model that there is not, with the names of those that there are."""
        if self._served is None:
            raise NotFound("no configuration has been loaded, so there is no provider", param="provider")
        providers = self._served.providers
        if asked.provider not in providers:
            raise NotFound(f"there is no provider {asked.provider!r}, only {some(providers)}", param="provider")
        if asked.model is None or self._served.takes_any_model(asked.provider):
            return
        known = self._models(asked.provider, None)
        if asked.model not in known:
            raise NotFound(f"{asked.provider} has no model {asked.model!r}, only {some(known)}", param="model")

    def take(self, action: Action, asked: Override) -> list[str]:
        """Do it, as far as this pod knows what it concerns; the models that it does."""
        now = self._clock()
        provider, model = asked.provider, asked.model
        active = _Active(action, now + asked.seconds)
        self._active = {
            key: one for key, one in self._active.items() if one.until > now and not _replaced(key, provider, model)
        }
        models = sorted(self._models(provider, model))
        if action is Action.RESET:
            for one in models:
                if (breaker := self._breakers.find(provider, one)) is not None:
                    breaker.reset(now)
        else:
            self._active[provider, model] = active
            self._set(active, provider, models)
        return models

    def _models(self, provider: str, model: str | None) -> set[str]:
        if model is not None:
            return {model}
        asked = {one.model for one in self._breakers.all(self._clock()) if one.provider == provider}
        return asked | (self._served.models_of(provider) if self._served is not None else set())

    def _set(self, active: _Active, provider: str, models: Iterable[str]) -> None:
        known = self._served.providers.get(provider) if self._served is not None else None
        if known is not None:
            for model in models:
                breaker = self._breakers.of(provider, model, known.breaker)
                (breaker.open if active.action is Action.OPEN else breaker.close)(active.until)


def _replaced(key: tuple[str, str | None], provider: str, model: str | None) -> bool:
    return key == (provider, model) or (key[0] == provider and model is None)
