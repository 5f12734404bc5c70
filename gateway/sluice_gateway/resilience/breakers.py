"""All breakers of this process, and what counts for them."""

from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.errors import RateLimitExceeded
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.resilience.breaker import Breaker, State, Verdict
from sluice_gateway.telemetry.record import LEFT
from sluice_gateway.telemetry.target_figures import SERVED

MOST_BREAKERS = 4096  # callers choose the models of targets that name none

_NO_VERDICT = frozenset(
    {LEFT, FaultKind.CALLER, FaultKind.RATE_LIMITED, FaultKind.MODEL_NOT_OFFERED, RateLimitExceeded.code}
)

Observer = Callable[[str, str, State, bool], None]
"""Told of each change: provider, model, the new state, and whether somebody set it by hand."""


class Described(NamedTuple):
    """One breaker, as lists show it. ``left``: seconds until its state ends of itself, 0 when no time is set."""

    provider: str
    model: str
    state: State
    left: float
    by_hand: bool
    failures: int
    opened: int


class Breakers:
    """The breakers of all targets, by provider (``namespace/name``) and the provider's name of the model.

    ``observers`` are told of every change when a request, or somebody, brings it about: a breaker whose time is up is
    half-open at once, and says so when it is next asked. ``preparers`` see each new breaker before it is there: of what
    they do to it, nobody is told.
    """

    def __init__(self) -> None:
        self.observers: list[Observer] = []
        self.preparers: list[Callable[[str, str, Breaker], None]] = []
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def of(self, provider: str, model: str, policy: CircuitBreaker) -> Breaker:
        """A target's breaker, which goes by ``policy`` from now on."""
        found = self._breakers.get((provider, model))
        if found is None:
            return self._add(provider, model, policy)
        if found.policy is not policy:
            found.policy = policy
        return found

    def find(self, provider: str, model: str) -> Breaker | None:
        """A target's breaker, if the target was ever asked."""
        return self._breakers.get((provider, model))

    def all(self, now: float) -> list[Described]:
        """Every breaker, in the order of providers and models."""
        return [
            Described(*key, one.state(now), one.left(now), one.by_hand(now), one.failures(now), one.opened)
            for key, one in sorted(self._breakers.items(), key=_key)
        ]

    def keep(self, providers: Collection[str]) -> None:
        """Forget the breakers of all other providers: they are gone."""
        self._breakers = {key: one for key, one in self._breakers.items() if key[0] in providers}

    def _add(self, provider: str, model: str, policy: CircuitBreaker) -> Breaker:
        if len(self._breakers) >= MOST_BREAKERS:
            oldest = next(iter(self._breakers))
            del self._breakers[next((key for key, one in self._breakers.items() if one.at_rest), oldest)]
        added = Breaker(policy, partial(self._tell, provider, model))
        for prepare in self.preparers:
            prepare(provider, model, added)
        self._breakers[provider, model] = added
        return added

    def _tell(self, provider: str, model: str, state: State, by_hand: bool) -> None:
        if (provider, model) in self._breakers:
            for observer in self.observers:
                observer(provider, model, state, by_hand)


def _key(item: tuple[tuple[str, str], Breaker]) -> tuple[str, str]:
    return item[0]


def verdict_of(result: str, first_byte_seconds: float | None, policy: CircuitBreaker) -> Verdict:
    """What an attempt says of its target.

    ``result`` is a FaultKind, SERVED or LEFT, or the error code under which an answer broke off. What the caller has
    cut short by a deadline of its own is to come as LEFT.
    """
    if result in _NO_VERDICT:
        return Verdict.NONE
    if result != SERVED:
        return Verdict.BAD
    slow = policy.slow_call_seconds
    if slow is not None and first_byte_seconds is not None and first_byte_seconds > slow:
        return Verdict.BAD
    return Verdict.GOOD
