"""The flow of a request, from the parsed call to the last byte of its answer. The file to read first.

plan -> reserve of the route's limits -> attempt target after target, until one serves -> relay -> settle.
Stream and non-stream take the same path; nothing here knows the HTTP server in front.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence

from sluice_gateway.asking import LEAST_SECONDS, Asker
from sluice_gateway.attempts import AttemptFailed, limit_refusal
from sluice_gateway.dialects.registry import LOCAL
from sluice_gateway.errors import CallerError, ProviderRefused
from sluice_gateway.estimates import Estimates
from sluice_gateway.exchange import Exchange, Reply
from sluice_gateway.fleet import Closed, Entry, Fleet
from sluice_gateway.hedging import Hedging
from sluice_gateway.limits.contract import Charge, Granted, Refused, Store, Used
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.limits.gate import Ahead, Full
from sluice_gateway.limits.of_route import RouteLimits
from sluice_gateway.planning import Planner
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.resilience.succession import Turn
from sluice_gateway.routing.explain import described
from sluice_gateway.routing.plan import Candidate
from sluice_gateway.routing.table import Route
from sluice_gateway.telemetry.log import Logger
from sluice_gateway.telemetry.record import LEFT, Recorder
from sluice_gateway.telemetry.target_figures import SERVED
from sluice_gateway.trip import NEXT, Trip
from sluice_gateway.ways import Way, Whole

OUTRUN = "outrun"
"""The result of an attempt that another one of the same request was faster than."""
_SHORT_SECONDS = 1.0
"""After a route's limit has refused a request: for so long, others are likely to be refused, too."""
_ENOUGH = 0.9
"""Of a target's own time, which a route may have shortened: whoever had so much of it can't blame the deadline."""
_OF_CODES = {"timeout": FaultKind.TIMEOUT}
"""What broke a stream, by the code of its error event."""


class Pipeline:
    """Serves calls.

    ``clock`` gives seconds that only grow, ``chance`` numbers from 0 to 1. ``down`` is told of a route when none of its
    targets can be asked.
    """

    def __init__(
        self,
        *,
        asker: Asker,
        planner: Planner,
        fleet: Fleet,
        store: Store,
        recorder: Recorder,
        estimates: Estimates,
        outputs: ExpectedOutput,
        clock: Callable[[], float],
        logger: Logger,
        down: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._asker = asker
        self._planner = planner
        self._fleet = fleet
        self._store = store
        self._recorder = recorder
        self._estimates = estimates
        self._outputs = outputs
        self._clock = clock
        self._logger = logger
        self._explains = logger.is_enabled_for(logging.DEBUG)
        self._down = down
        self._sleep = sleep
        self._chance = chance
        self._hedging = Hedging(asker, fleet.figures, recorder, clock, self._attempt)

    def keep(self, routes: Collection[str]) -> None:
        """After a new configuration: what is kept for routes (``namespace/name``) that are no more."""
        self._planner.keep(routes)
        self._hedging.keep(routes)

    async def serve(self, exchange: Exchange) -> Reply | None:
        """Answer a call; None when the answer has been streamed to the client. Raises GatewayError while nothing was
        sent.
        """
        call, record = exchange.call, exchange.record
        planned = self._planner.plan(exchange.table, call, exchange.strategy, record.consumer)
        route = planned.match.route
        record.route = route.label
        if self._explains:
            self._logger.debug("plan", request_id=record.request_id, route=route.label, **described(planned))
        trip = Trip(
            exchange,
            planned,
            _deadline(exchange, route),
            self._estimates.prompt,
            now=self._clock(),
            budgets=self._fleet.budgets,
            chance=self._chance,
        )
        if route.limits is None:
            return await self._serve(trip)
        granted = await self._reserve(trip, route.limits)
        try:
            return await self._serve(trip)
        finally:
            trip.give_back_ahead()
            self._store.settle(granted, Used((record.usage.total if record.usage else 0) + record.lost_tokens))

    async def _reserve(self, trip: Trip, limits: RouteLimits) -> Granted:
        """Take what the request may use from the route's limits. Raises RateLimitExceeded, Overloaded."""
        record = trip.exchange.record
        charges = limits.charges(record.consumer, trip.tokens)
        outcome = self._store.at_once(charges) or await self._ask_ahead(trip, charges, limits)
        record.levels = outcome.levels
        if isinstance(outcome, Refused):
            limits.short_until = self._clock() + _SHORT_SECONDS
            self._recorder.limited(record.route, outcome.limit.name)
            raise limit_refusal(outcome, trip.tokens)
        return outcome

    async def _ask_ahead(self, trip: Trip, charges: Sequence[Charge], limits: RouteLimits) -> Granted | Refused:
        """Ask for the route's limits and, in the same round trip, for those of the first target's provider: unless the
        route has just been short, when callers that are refused would take room from others.
        """
        if self._clock() < limits.short_until or (ahead := self._foreseen(trip)) is None:
            return await self._store.reserve(charges)
        trip.ahead, granted = ahead, None
        try:
            outcome, granted = await self._store.reserve_each((charges, ahead.charges))
        finally:
            if isinstance(granted, Granted):
                trip.ahead = ahead._replace(granted=granted)
            else:
                trip.give_back_ahead()
        if isinstance(outcome, Refused):
            trip.give_back_ahead()
        return outcome

    def _foreseen(self, trip: Trip) -> Ahead | None:
        """Begin to take a place at the first target; None where another may be asked before it, or no one at all."""
        if not trip.candidates or trip.planned.match.route.hedging is not None:
            return None
        first = trip.candidates[0]
        provider = first.target.provider
        if provider.image_fetch.enabled or trip.exchange.call.shape in LOCAL:
            return None
        return self._fleet.gates.of(provider).foresee(trip.tokens, first.model)

    async def _serve(self, trip: Trip) -> Reply | None:
        """Ask target after target, each as its turn comes."""
        while (turn := trip.succession.next(self._clock())) is not None:
            if turn.wait > 0:
                await self._sleep(turn.wait)
            if self._late(trip):
                break
            reply = await self._turn(trip, turn)
            if reply is not NEXT:
                return reply
        if not trip.candidates:
            self._down(trip.planned.match.route.label)
        raise trip.failure(_whose_time(trip) if self._late(trip) else "")

    async def _turn(self, trip: Trip, turn: Turn[Candidate]) -> Reply | None:
        """Give one target its turn; NEXT when another's has come. Raises CallerError when no other would serve."""
        candidate = turn.candidate
        try:
            if candidate.target.provider.image_fetch.enabled:
                way = await self._asker.way(trip, candidate)
            else:
                way = self._asker.ready(trip.exchange, candidate)
        except CallerError as error:
            trip.give_back_ahead()
            trip.cannot(candidate, error)  # another target may be able to
            return NEXT
        except AttemptFailed as failed:
            trip.give_back_ahead()
            trip.note(failed.attempt)
            return NEXT
        if isinstance(way, Whole):
            return Reply(way.body)
        try:
            if trip.planned.match.route.hedging is not None and self._hedging.begins(trip):
                return await self._hedging.race(trip, candidate, way)
            queue = trip.patience(candidate, self._clock()) if turn.queue else None
            return await self._attempt(trip, candidate, way, queue)
        except (AttemptFailed, Full, Closed) as error:
            trip.failed(candidate, error, self._clock(), queue=turn.queue)
        return NEXT

    async def _attempt(self, trip: Trip, candidate: Candidate, way: Way, queue: float | None) -> Reply | None:
        """Ask a target; until ``queue``, in its provider's queue first. Raises AttemptFailed, Full, Closed when another
        may serve, CallerError when none would.
        """
        exchange, fleet, target = trip.exchange, self._fleet, candidate.target
        record = exchange.record
        entry = fleet.step_in(target, candidate.model, trip)
        if trip.ahead is not None:
            trip.give_back_ahead()  # it was for somebody else
        if entry is None:
            entry = await self._enter(trip, candidate, queue)
        record.tries(candidate.label, target.kind)
        result: str = LEFT
        counted: str = ""
        retry_after = None
        try:
            reply = await self._asker.ask(exchange, candidate, way, trip.deadline, entry)
            counted = record.code
            result = self._shown(trip, entry, _OF_CODES.get(counted, FaultKind.FAILED)) if counted else SERVED
            if result is SERVED and record.usage is not None and record.usage.completion:
                self._outputs.note(trip.planned.match.route.label, record.usage.completion)
        except AttemptFailed as failed:
            fault = failed.attempt.fault
            counted, retry_after = fault.kind, fault.retry_after
            result = self._shown(trip, entry, fault.kind)
            raise
        except ProviderRefused:
            result = FaultKind.CALLER
            raise
        else:
            return reply
        finally:
            self._recorder.attempt(target.kind, OUTRUN if trip.outrun else counted or result)
            fleet.leave(entry, result, record, retry_after)

    async def _enter(self, trip: Trip, candidate: Candidate, queue: float | None) -> Entry:
        """Take a place at a target; until ``queue``, in its provider's queue. Raises Full, Closed."""
        began = self._clock()
        try:
            return await self._fleet.enter(candidate.target, candidate.model, trip, queue)
        finally:
            trip.waited += self._clock() - began

    def _shown(self, trip: Trip, entry: Entry, kind: FaultKind) -> str:
        """What a failure shows of its target: nothing, when the request's deadline left it less than its own time."""
        if kind is not FaultKind.TIMEOUT or not self._late(trip):
            return kind
        enough = _ENOUGH * entry.target.timeouts.total
        return kind if self._clock() - entry.asked >= enough else LEFT

    def _late(self, trip: Trip) -> bool:
        return trip.deadline is not None and trip.deadline - self._clock() < LEAST_SECONDS


def _deadline(exchange: Exchange, route: Route) -> float | None:
    """By when a request must have ended: the route's time for all targets together, shortened by the caller's own."""
    if route.total_seconds is None:
        return exchange.deadline
    of_route = exchange.record.started + route.total_seconds
    return of_route if exchange.deadline is None else min(of_route, exchange.deadline)


def _whose_time(trip: Trip) -> str:
    exchange, route = trip.exchange, trip.planned.match.route
    if exchange.deadline is not None and exchange.deadline == _deadline(exchange, route):
        return "x-request-timeout-ms"
    return f"timeouts.totalSeconds = {route.total_seconds} of route {route.label}"
