"""How hard each provider is used: its policy's limits, what it says of its own, and the line of those who wait."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import NamedTuple, TypeVar

from sluice_config.resources.provider_policy import RateLimit
from sluice_gateway.limits.contract import Charge, Granted, Limit, Store, Unit, Used
from sluice_gateway.limits.heard import NOTHING, Header, Heard, listen
from sluice_gateway.limits.line import Displaced, GaveUp, Line
from sluice_gateway.limits.local import PLACE_WAIT
from sluice_gateway.providers.provider import Provider

_SILENT_ANSWERS = 15
_MOST_MODELS = 256  # of a provider that are remembered; callers choose the models of targets that name none

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Full(Exception):
    """There is no room, and none came in the time that there was to wait. ``retry_after``: seconds, as an estimate."""

    def __init__(self, why: str, retry_after: float) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Occupancy(NamedTuple):
    """How a gate is used now: requests that are through and have not left, and that wait."""

    provider: str
    inside: int
    waiting: int


class Pass:
    """A request's place at a provider, until it leaves. ``granted``: None where nothing is counted."""

    __slots__ = ("_leave", "gate", "granted")

    def __init__(self, gate: "Gate", granted: Granted | None, leave: Callable[[Granted | None, Used], None]) -> None:
        self.gate = gate
        self.granted = granted
        self._leave = leave

    def leave(self, used: Used) -> None:
        """The request has ended, and has used this. Once."""
        self._leave(self.granted, used)


class Ahead(NamedTuple):
    """What a request for a model takes at a gate before its turn there: from what is ``heard`` of the provider now, and
    the ``charges`` once somebody has granted them.
    """

    gate: "Gate"
    model: str
    tokens: int
    heard: Heard
    charges: tuple[Charge, ...]
    granted: Granted | None = None


class Gate:
    """One provider's limits. ``resource`` is ``namespace/name``; ``clock`` gives seconds that only grow.

    ``is_open``: there are none, of the policy's or heard of. ``silent`` answers may be passed over: the last one said
    nothing of limits, and most providers always do or never.

    Tokens are reserved up to what the bucket holds: a request that is larger goes when the bucket is full.
    """

    def __init__(
        self, resource: str, policy: RateLimit, store: Store, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.resource = resource
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._line = Line(clock, sleep)
        self._lines: dict[str, Line] = {}  # of models, while somebody waits for what the provider has said
        self._heard: dict[str, Heard] = {}
        self.silent = 0
        self._inside = self._waiting = 0
        self._full_until, self._full_for, self._short = 0.0, 0, "its limit"  # as was last said: for how many, of what
        self.follow(policy)

    def follow(self, policy: RateLimit) -> None:
        """Keep to a policy from now on. What was used stays counted, and who waits goes on."""
        self.policy = policy
        self._places = policy.max_concurrent or math.inf
        self._tokens = self._limit("tokensPerMinute", Unit.TOKENS, policy.tokens_per_minute)
        others = (
            self._limit("requestsPerMinute", Unit.REQUESTS, policy.requests_per_minute),
            self._limit("maxConcurrent", Unit.PLACES, policy.max_concurrent),
        )
        self._charges = tuple(Charge(limit, 1) for limit in others if limit is not None)
        self._gives_back = policy.max_concurrent is not None or policy.tokens_per_minute is not None
        self._full_until = 0.0
        self._free = Pass(self, None, self._leave)
        self._set_open()
        self._line.call()

    def _set_open(self) -> None:
        self.is_open = not self._charges and self._tokens is None and not self._heard

    def occupancy(self) -> Occupancy:
        """How it is used now."""
        return Occupancy(self.resource, self._inside, self._waiting)

    def wait(self, tokens: int, now: float, model: str) -> float:
        """Seconds until a request of so many tokens may find room, as far as is known here; 0 when it may now."""
        wait = self._full_until - now if tokens >= self._full_for else 0.0
        if self._inside >= self._places or self._line:
            wait = max(wait, PLACE_WAIT)
        if self._heard and (heard := self._heard.get(model)) is not None:
            wait = max(wait, heard.wait(tokens, now))
        return wait if wait > 0 else 0.0

    def walk_in(self) -> Pass:
        """Take a place where nothing is counted: when the gate ``is_open``."""
        self._inside += 1
        return self._free

    def step_in(self, tokens: int, model: str) -> Pass | None:
        """Take a place where nobody needs to be asked or waited for; else None, and ``enter`` is the way."""
        if self._line or model in self._lines:
            return None
        heard: Heard | None = self._heard.get(model)
        granted: Granted | None = None
        if heard is not None and heard.wait(tokens, self._clock()):
            return None
        if charges := self._charged(tokens):
            answer = self._store.at_once(charges, levels=False)
            if not isinstance(answer, Granted):
                return None
            granted = answer
        if heard is not None:
            heard.take(tokens)
        self._inside += 1
        return Pass(self, granted, self._leave)

    def foresee(self, tokens: int, model: str) -> Ahead | None:
        """Begin to take a place ahead; None when the request has to wait, as far as is known here, or nothing is
        counted. Whoever has been granted the charges comes in by ``admit``; all others ``give_back``.
        """
        charges = self._charged(tokens)
        if not charges or self._line or model in self._lines or self.wait(tokens, self._clock(), model):
            return None
        heard = self._heard.get(model, NOTHING)
        heard.take(tokens)  # before others see it, who come while this one asks for room
        return Ahead(self, model, tokens, heard, charges)

    def admit(self, ahead: Ahead) -> Pass:
        """Take the place."""
        self._take_of_later(ahead.heard, ahead.tokens, ahead.model)
        self._inside += 1
        return Pass(self, ahead.granted, self._leave)

    def give_back(self, ahead: Ahead) -> None:
        """Nothing becomes of it: it is as if nobody had asked."""
        ahead.heard.take(-ahead.tokens, -1)
        if ahead.granted is not None:
            self._store.undo(ahead.granted)
        self._full_until = 0.0
        self._line.call()

    def _take_of_later(self, heard: Heard, tokens: int, model: str) -> None:
        """What a request has taken of what was heard, it takes of what has been heard since."""
        if (later := self._heard.get(model, NOTHING)) is not heard:
            later.take(tokens)

    async def enter(self, consumer: str, tokens: int, model: str, *, until: float | None) -> Pass:
        """Take a place: at once, or else, unless ``until`` is None, in line until then or for as long as the policy
        lets wait. Raises Full.
        """
        asked = _Asked(consumer, tokens, model, self._patience(until))
        if model in self._heard:
            await self._wait_for_word(asked)
        heard = self._heard.get(model, NOTHING)
        heard.take(tokens)  # before others see it, who come while this one asks for room
        granted = None
        if self._charges or self._tokens is not None:
            try:
                granted = await self._through(self._line, asked, partial(self._reserve, tokens))
            except (Full, asyncio.CancelledError):
                heard.take(-tokens, -1)
                raise
        self._take_of_later(heard, tokens, model)
        self._inside += 1
        return Pass(self, granted, self._leave)

    def heed(self, header: Header, now: float, model: str) -> None:
        """An answer for a model has come, with what it says of the provider's own limits."""
        before = self._heard.get(model, NOTHING)
        heard = listen(header, before, now)
        if heard is before:
            self.silent = _SILENT_ANSWERS
            return
        self._heard.pop(model, None)
        if heard != NOTHING:
            if len(self._heard) >= _MOST_MODELS:
                del self._heard[next(iter(self._heard))]
            self._heard[model] = heard
        self._set_open()
        if (line := self._lines.get(model)) is not None:
            line.call()

    def _leave(self, granted: Granted | None, used: Used) -> None:
        self._inside -= 1
        if granted is not None:
            self._store.settle(granted, used)
        if self._gives_back:
            self._full_until = 0.0
            self._line.call()

    def _patience(self, until: float | None) -> float | None:
        queue, now = self.policy.queue, self._clock()
        if until is None or not queue.max_depth:
            return None
        until = min(until, now + queue.max_wait_milliseconds / 1000)
        return until if until > now else None

    async def _wait_for_word(self, asked: "_Asked") -> None:
        """Wait while the provider has said that it has no room for the model."""
        line = self._lines.setdefault(asked.model, Line(self._clock, self._sleep))
        try:
            await self._through(line, asked, partial(self._has_word, asked.tokens, asked.model))
        finally:
            if not line:
                self._lines.pop(asked.model, None)

    async def _through(self, line: Line, asked: "_Asked", ask: Callable[[], Awaitable[T | float]]) -> T:
        if asked.until is None:
            answer = math.inf if line else await ask()
            if isinstance(answer, float):
                raise self._full(asked, "has no room")
            return answer
        if line and self._waiting >= self.policy.queue.max_depth and not line.displace(asked.consumer):
            raise self._full(asked, "has no room, and as many requests wait as may")
        self._waiting += 1
        try:
            return await line.stand(asked.consumer, ask, asked.until)
        except Displaced:
            raise self._full(asked, "has no room, and the place in line went to another consumer") from None
        except GaveUp:
            raise self._full(asked, "had no room in the time that there was to wait") from None
        finally:
            self._waiting -= 1

    def _full(self, asked: "_Asked", why: str) -> Full:
        wait = self.wait(asked.tokens, self._clock(), asked.model)
        return Full(f"the provider {why}: {self._short} is used up", wait or PLACE_WAIT)

    async def _has_word(self, tokens: int, model: str) -> bool | float:
        heard = self._heard.get(model, NOTHING)
        if wait := heard.wait(tokens, self._clock()):
            self._short = "what it allows by its own word"
            return wait
        return True

    def _charged(self, tokens: int) -> tuple[Charge, ...]:
        limit = self._tokens
        if limit is None:
            return self._charges
        return (*self._charges, Charge(limit, min(limit.most, tokens)))

    async def _reserve(self, tokens: int) -> Granted | float:
        answer = await self._store.reserve(self._charged(tokens))
        if isinstance(answer, Granted):
            return answer
        wait = answer.retry_after or PLACE_WAIT
        self._short = f"rateLimit.{answer.limit.name}"
        self._full_until = self._clock() + wait
        self._full_for = tokens if answer.limit.unit is Unit.TOKENS else 0
        return wait

    def _limit(self, name: str, unit: Unit, most: int | None) -> Limit | None:
        return None if most is None else Limit(f"ProviderPolicy/{self.resource}", name, unit, most)


class _Asked(NamedTuple):
    """A request at a gate; ``until``: it waits in line, None when it does not."""

    consumer: str
    tokens: int
    model: str
    until: float | None


class Gates:
    """The gates of all providers."""

    def __init__(self, store: Store, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._gates: dict[str, Gate] = {}

    def of(self, provider: Provider) -> Gate:
        """A provider's gate, which keeps to its policy."""
        gate = self._gates.get(provider.resource)
        if gate is not None and gate.policy is provider.rate_limit:
            return gate
        if gate is None:
            gate = Gate(provider.resource, provider.rate_limit, self._store, self._clock, self._sleep)
            self._gates[provider.resource] = gate
        else:
            gate.follow(provider.rate_limit)
        return gate

    def keep(self, resources: Collection[str]) -> None:
        """Forget the gates of all other providers; who is inside or waits there is not disturbed."""
        self._gates = {resource: gate for resource, gate in self._gates.items() if resource in resources}

    def all(self) -> list[Occupancy]:
        """How each is used now, by provider."""
        return [self._gates[resource].occupancy() for resource in sorted(self._gates)]
