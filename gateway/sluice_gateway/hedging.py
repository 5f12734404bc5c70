"""A second target for whole answers that are late: the first answer wins, the other question is taken back.

"Hedged requests" of Dean and Barroso, The Tail at Scale (Communications of the ACM 56, 2013): the second is sent when
the first has taken longer than most do, and for a few requests in a hundred at most, so that it costs little.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Collection

import msgspec

from sluice_gateway.asking import Asker
from sluice_gateway.attempts import AttemptFailed
from sluice_gateway.errors import CallerError
from sluice_gateway.exchange import Reply
from sluice_gateway.fleet import Closed
from sluice_gateway.limits.gate import Full
from sluice_gateway.resilience.retries import RetryBudget
from sluice_gateway.routing.plan import Candidate
from sluice_gateway.telemetry.record import Recorder
from sluice_gateway.telemetry.target_figures import TargetFigures
from sluice_gateway.trip import NEXT, Trip
from sluice_gateway.ways import Way, Whole

Attempt = Callable[[Trip, Candidate, Way, float | None], Awaitable[Reply | None]]
"""Asks one target; see ``Pipeline``."""


class _Runner:
    """One of two attempts that are under way, with a record of its own: only one of them becomes the answer.

    ``decides``: what became of it is what becomes of the request.
    """

    def __init__(self, trip: Trip, candidate: Candidate, way: Way, attempt: Attempt) -> None:
        self.candidate = candidate
        self.decides = False
        self.trip = copy.copy(trip)
        self.record = msgspec.structs.replace(trip.exchange.record, usage=None)
        self.trip.exchange = trip.exchange._replace(record=self.record)
        self.task = asyncio.ensure_future(attempt(self.trip, candidate, way, None))
        self.task.add_done_callback(_look_at)

    def take_back(self, *, outrun: bool) -> None:
        """Take the question back, if it is not answered; ``outrun``: since the other one was faster."""
        if not self.task.done():
            self.trip.outrun = outrun
            self.task.cancel()


def _look_at(task: "asyncio.Task[Reply | None]") -> None:
    """Whoever needs to know how it has failed asks for it; nobody else has to be told."""
    if not task.cancelled():
        task.exception()


class Hedging:
    """Races for routes that want them. ``clock`` gives seconds that only grow."""

    def __init__(
        self,
        asker: Asker,
        figures: TargetFigures,
        recorder: Recorder,
        clock: Callable[[], float],
        attempt: Attempt,
    ) -> None:
        self._asker = asker
        self._figures = figures
        self._recorder = recorder
        self._clock = clock
        self._attempt = attempt
        self._budgets: dict[str, RetryBudget] = {}

    def keep(self, routes: Collection[str]) -> None:
        """Forget the budgets of all other routes (``namespace/name``): they are gone."""
        self._budgets = {route: budget for route, budget in self._budgets.items() if route in routes}

    def begins(self, trip: Trip) -> bool:
        """Whether the request is one that may have a second target beside its first."""
        return not trip.exchange.call.stream and not trip.attempts and len(trip.candidates) > 1

    async def race(self, trip: Trip, candidate: Candidate, way: Way) -> Reply | None:
        """Ask a target and, when its answer is late, the next one too; NEXT when neither has served. Raises CallerError
        when no other would serve.
        """
        route, now = trip.planned.match.route, self._clock()
        if route.hedging is None:
            return await self._attempt(trip, candidate, way, None)
        budget = self._budget(route.label, route.hedging.max_extra_percent)
        budget.asked(now)
        provider, percent = candidate.target.provider.resource, route.hedging.after_percentile
        late = self._figures.slowest(provider, candidate.model, percent, now)
        runners = [_Runner(trip, candidate, way, self._attempt)]
        try:
            if late is not None:
                await asyncio.wait((runners[0].task,), timeout=late)
                if not runners[0].task.done() and budget.may_retry(self._clock()):
                    await self._begin_second(trip, runners, budget)
            return await self._first_of(trip, runners)
        finally:
            await self._end(trip, runners)

    async def _begin_second(self, trip: Trip, runners: list[_Runner], budget: RetryBudget) -> None:
        now = self._clock()
        turn = trip.succession.next(now)
        if turn is None:
            return
        try:
            way = await self._asker.way(trip, turn.candidate)
        except CallerError as error:
            trip.cannot(turn.candidate, error)
        except AttemptFailed as failed:
            trip.note(failed.attempt)
        else:
            if not isinstance(way, Whole):
                budget.retried(now)
                runners.append(_Runner(trip, turn.candidate, way, self._attempt))

    async def _first_of(self, trip: Trip, runners: list[_Runner]) -> Reply | None:
        """The first answer that there is."""
        waiting = list(runners)
        while waiting:
            await asyncio.wait([one.task for one in waiting], return_when=asyncio.FIRST_COMPLETED)
            for runner in [one for one in waiting if one.task.done()]:
                waiting.remove(runner)
                try:
                    reply = runner.task.result()
                except (AttemptFailed, Full, Closed) as error:
                    trip.failed(runner.candidate, error, self._clock(), queue=False)
                except CallerError:
                    runner.decides = True
                    raise
                else:
                    runner.decides = True
                    return reply
        return NEXT

    async def _end(self, trip: Trip, runners: list[_Runner]) -> None:
        """Take back what is not answered. When the caller has left, or both have failed, the latest stands for both."""
        decided = next((runner for runner in runners if runner.decides), None)
        for runner in runners:
            runner.take_back(outrun=decided is not None)
        await asyncio.wait([runner.task for runner in runners])
        told = decided or runners[-1]
        _adopt(trip, told)
        self._count_lost(trip, runners, told)

    def _count_lost(self, trip: Trip, runners: list[_Runner], told: _Runner) -> None:
        """What was asked beside the answer has its price, also when it came too late to be taken back: it counts for
        limits and metrics.
        """
        record = trip.exchange.record
        record.attempts = sum(runner.record.attempts for runner in runners)
        for runner in runners:
            if runner is not told and (usage := runner.record.usage) is not None:
                record.lost_tokens += usage.total
                self._recorder.lost(trip.planned.match.route.label, runner.candidate.target.kind, usage)

    def _budget(self, route: str, percent: int) -> RetryBudget:
        found = self._budgets.get(route)
        if found is None:
            found = self._budgets[route] = RetryBudget(percent)
        found.percent = percent
        return found


def _adopt(trip: Trip, runner: _Runner) -> None:
    """What is known of the attempt that ended the race is known of the request."""
    record, theirs = trip.exchange.record, runner.record
    record.target, record.target_kind = theirs.target, theirs.target_kind
    record.provider_request_id = theirs.provider_request_id
    record.first_byte, record.usage, record.defect = theirs.first_byte, theirs.usage, theirs.defect
