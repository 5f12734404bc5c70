"""What this process knows of its targets, and keeps for them: breakers, their providers' limits, figures, health."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from prometheus_client import Gauge

from sluice_gateway.limits.contract import Used
from sluice_gateway.limits.gate import Ahead, Gate, Gates, Pass
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.providers.provider import Provider
from sluice_gateway.resilience.breaker import Breaker, State
from sluice_gateway.resilience.breakers import Breakers, verdict_of
from sluice_gateway.resilience.retries import RetryBudgets
from sluice_gateway.routing.standing import WELL, Expected, Standing
from sluice_gateway.routing.table import Target
from sluice_gateway.telemetry.record import Record
from sluice_gateway.telemetry.target_figures import SERVED, TargetFigures
from sluice_gateway.upstream import Answer

_LONGEST_PAUSE = 60.0
"""Seconds, whatever a provider asks for: another pod's key or a new minute may have changed it."""
_MOST_PAUSES = 4096
_NOTHING = Used()


class Closed(Exception):
    """A target's breaker has closed it to requests for ``wait`` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__("circuit breaker open")
        self.wait = wait


class Entry(NamedTuple):
    """A request's place at a target, until it leaves it."""

    target: Target
    model: str
    breaker: Breaker
    entered: int
    place: Pass
    asked: float

    def heed(self, answer: Answer, clock: Callable[[], float]) -> None:
        """An answer's head has come: what it says of the provider's own limits holds for ours too."""
        gate = self.place.gate
        if gate.silent and answer.status < 400:
            gate.silent -= 1
        else:
            gate.heed(answer.header, clock(), self.model)


class Asking(Protocol):
    """Who asks for a place. ``ahead``: the one that it has already, somewhere."""

    ahead: Ahead | None

    @property
    def consumer(self) -> str:
        """Whose request it is."""
        ...

    @property
    def tokens(self) -> int:
        """What it may use, at most."""
        ...


class Health(Protocol):
    """What checks of providers (``namespace/name``) say, and are told."""

    def healthy(self, provider: str) -> str:
        """Why it is asked after all others; "" when it is not."""
        ...

    def passed(self, provider: str, now: float) -> None:
        """It has served a request."""
        ...

    def refused(self, provider: str) -> None:
        """It has refused the gateway's key."""
        ...


class Fleet:
    """All targets of the process.

    ``health`` says why a provider is asked after all others, and hears of each that has served a request or refused the
    gateway's key. ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        breakers: Breakers,
        gates: Gates,
        figures: TargetFigures,
        clock: Callable[[], float],
        health: Health,
    ) -> None:
        self.breakers = breakers
        self.gates = gates
        self.figures = figures
        self.budgets = RetryBudgets()
        self._clock = clock
        self._health = health
        self._pauses: dict[tuple[str, str], float] = {}

    def keep(self, providers: Iterable[Provider]) -> None:
        """After a new configuration: what is kept for providers that are no more, or whose policies changed."""
        kept = {provider.resource for provider in providers}
        self.breakers.keep(kept)
        self.budgets.keep(kept)
        self.gates.keep(kept)

    def look(self, target: Target, model: str, tokens: int) -> Standing:
        """How a target stands now. Follows ``routing.standing.Look``."""
        provider = target.provider
        breaker = self.breakers.find(provider.resource, model)
        gate = self.gates.of(provider)
        at_rest = breaker is None or breaker.at_rest
        if at_rest and gate.is_open and not self._pauses:
            why = self._health.healthy(provider.resource)
            return Standing(doubtful=why) if why else WELL
        return self._look_closer(provider, model, tokens, None if at_rest else breaker, gate)

    def _look_closer(
        self, provider: Provider, model: str, tokens: int, breaker: Breaker | None, gate: Gate
    ) -> Standing:
        now = self._clock()
        if breaker is not None:
            if (wait := breaker.wait(now)) > 0:
                return Standing(closed=f"circuit breaker open for {wait:.0f} s", wait=wait)
            if breaker.is_doubtful(now):
                return Standing(doubtful="another pod has found it failing, and a probe is under way")
        if not gate.is_open and (wait := gate.wait(tokens, now, model)) > 0:
            return Standing(full=f"the provider's limits have no room for {wait:.1f} s", wait=wait)
        if self._pauses and (wait := self._pauses.get((provider.resource, model), 0.0) - now) > 0:
            return Standing(full=f"the provider asked to wait, for {wait:.1f} s more", wait=wait)
        if why := self._health.healthy(provider.resource):
            return Standing(doubtful=why)
        return WELL

    def expect(self, target: Target, model: str) -> Expected:
        """What a call is expected to take. Follows ``routing.standing.Expect``."""
        return self.figures.expected(target.provider.resource, model, self._clock())

    def step_in(self, target: Target, model: str, asking: Asking) -> Entry | None:
        """Take a place where nobody needs to be asked or waited for; else None, and ``enter`` is the way. Raises
        Closed.
        """
        gate, ahead = self.gates.of(target.provider), asking.ahead
        if gate.is_open:
            return self._admit(target, model, gate.walk_in())
        if ahead is not None and ahead.gate is gate and ahead.model == model:
            asking.ahead = None
            return self._admit(target, model, gate.admit(ahead))
        place = gate.step_in(asking.tokens, model)
        return None if place is None else self._admit(target, model, place)

    async def enter(self, target: Target, model: str, asking: Asking, until: float | None) -> Entry:
        """Take a place, within the provider's limits: now, or by ``until``. Raises limits.gate.Full, Closed."""
        gate = self.gates.of(target.provider)
        if gate.is_open:
            return self._admit(target, model, gate.walk_in())
        place = await gate.enter(asking.consumer, asking.tokens, model, until=until)
        return self._admit(target, model, place)

    def _admit(self, target: Target, model: str, place: Pass) -> Entry:
        provider, now = target.provider, self._clock()
        breaker = self.breakers.of(provider.resource, model, provider.breaker)
        entered = breaker.enter(now)
        if not entered:
            place.leave(Used())
            raise Closed(breaker.wait(now))
        return Entry(target, model, breaker, entered, place, now)

    def leave(self, entry: Entry, result: str, record: Record, retry_after: float | None) -> None:
        """A request has left its place, with a FaultKind, SERVED or LEFT as its ``result``."""
        target, now, usage = entry.target, self._clock(), record.usage
        provider, first_byte = target.provider, record.first_byte
        if first_byte is not None and first_byte < entry.asked:  # that of an attempt before
            first_byte = None
        if result == FaultKind.RATE_LIMITED and retry_after:
            self._pause(provider.resource, entry.model, now + min(retry_after, _LONGEST_PAUSE))
        took = None if first_byte is None else first_byte - entry.asked
        verdict = verdict_of(result, took, provider.breaker)
        entry.breaker.leave(verdict, now, entry.entered)
        place = entry.place
        place.leave(_NOTHING if place.granted is None or usage is None else Used(usage.total))
        if result == SERVED:
            self._health.passed(provider.resource, now)
        elif result == FaultKind.KEY_REFUSED:
            self._health.refused(provider.resource)
        self.figures.note(
            provider.resource,
            entry.model,
            result,
            asked=entry.asked,
            first_byte=first_byte,
            now=now,
            tokens=usage.completion if usage and result == SERVED else 0,
            stream=record.stream,
        )

    def count(self, gauge: Gauge) -> None:
        """Put the number of breakers that are not closed into a metric, by provider and state."""
        gauge.clear()
        for one in self.breakers.all(self._clock()):
            if one.state is not State.CLOSED:
                gauge.labels(one.provider, one.state).inc()

    def _pause(self, provider: str, model: str, until: float) -> None:
        if len(self._pauses) >= _MOST_PAUSES:
            self._pauses.clear()
        self._pauses[provider, model] = until
