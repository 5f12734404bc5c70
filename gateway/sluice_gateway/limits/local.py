"""Keeping count in this process: all there is for one pod, and what a fleet falls back to."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, cast

from sluice_gateway.limits.contract import Charge, Granted, Level, Limit, Refused, Unit, Used
from sluice_gateway.limits.windows import bounds

PLACE_WAIT = 1.0
"""Seconds after which to ask again for a place: nobody knows when the next is given back."""
FILL_SECONDS = 60.0
"""In which an empty bucket fills."""

_GRAIN = 0.001  # of a unit: what division leaves over; all amounts are whole
_SET_BACK = 60.0  # seconds that the clock may be set back without giving a window twice
_FEW = 1024  # counters: not worth looking for those that are of no use any more
_PLACES, _TOKENS = Unit.PLACES, Unit.TOKENS  # members of an enum are slow to look up


class Counted(NamedTuple):
    """What was used of a limit and not drained before. ``start``: of its window, in epoch seconds; None of a bucket.

    Negative when a reservation that was drained before has turned out too large.
    """

    limit: Limit
    start: int | None
    amount: int


class _Counter(Protocol):
    """One limit's count, good ``since`` a time ``until`` another, in epoch seconds: then a new one takes its place.
    Whatever has gone out of use meanwhile may still be settled.
    """

    since: float
    until: float

    def take(self, limit: Limit, amount: int, now: float) -> float:
        """Take it, and return 0; or the seconds until there is room, inf when there never will be."""
        ...

    def correct(self, amount: int, now: float) -> None:
        """Take what a reservation lacked; give back what it had too much when negative."""
        ...

    def level(self, limit: Limit, now: float) -> Level:
        """How full it is, right after ``take``."""
        ...

    def is_used(self, now: float) -> bool:
        """Whether anything would be lost without it."""
        ...


class _Places:
    __slots__ = ("since", "taken", "until")

    def __init__(self) -> None:
        self.since, self.until = -math.inf, math.inf
        self.taken = 0

    def take(self, limit: Limit, amount: int, _now: float) -> float:
        if self.taken + amount <= limit.most:
            self.taken += amount
            return 0.0
        return PLACE_WAIT if amount <= limit.most else math.inf

    def correct(self, amount: int, _now: float) -> None:
        self.taken += amount

    def level(self, limit: Limit, _now: float) -> Level:
        return Level(limit, max(0, limit.most - self.taken), 0.0)

    def is_used(self, _now: float) -> bool:
        return self.taken > 0


class _InWindow:
    __slots__ = ("count", "limit", "since", "start", "until")

    def __init__(self, limit: Limit, start: int, end: int) -> None:
        self.limit = limit
        self.start = start
        self.since, self.until = start - _SET_BACK, float(end)
        self.count = 0

    def take(self, limit: Limit, amount: int, now: float) -> float:
        if self.count + amount <= limit.most:
            self.count += amount
            return 0.0
        return self.until - now if amount <= limit.most else math.inf

    def correct(self, amount: int, _now: float) -> None:
        self.count += amount

    def level(self, limit: Limit, now: float) -> Level:
        return Level(limit, max(0, limit.most - self.count), self.until - now)

    def is_used(self, now: float) -> bool:
        return now < self.until


class _Bucket:
    """``taken`` is what it lacks of being full, as it was ``at``. It is good ``until`` it is full: what was taken from
    it has come back then, and is not given back again.
    """

    __slots__ = ("at", "limit", "since", "taken", "until")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit = limit
        self.since = -math.inf
        self.at = self.until = now
        self.taken = 0.0

    def take(self, limit: Limit, amount: int, now: float) -> float:
        self.correct(0, now)
        self.limit, most = limit, limit.most
        lacking = self.taken + amount - most
        if lacking > _GRAIN:
            return lacking * FILL_SECONDS / most if amount <= most else math.inf
        self.taken += amount
        self.until = now + self.taken * FILL_SECONDS / most
        return 0.0

    def correct(self, amount: int, now: float) -> None:
        taken, most = self.taken, self.limit.most
        if now > self.at:  # time that a clock was set back brings nothing
            taken -= (now - self.at) * most / FILL_SECONDS
        self.at = now
        self.taken = taken = max(0.0, taken + amount)
        self.until = now + taken * FILL_SECONDS / most

    def level(self, limit: Limit, _now: float) -> Level:
        left = limit.most - self.taken
        return Level(limit, int(left + _GRAIN) if left > 0 else 0, self.taken * FILL_SECONDS / limit.most)

    def is_used(self, now: float) -> bool:
        return now < self.until

    def empty(self, now: float) -> None:
        """All of it was counted elsewhere."""
        self.taken, self.until = 0.0, now


class LocalStore:
    """Counts in memory; ``clock`` gives epoch seconds. A limit is known by its key: one whose ``most`` is changed goes
    on from what was used. What is settled after its window's end concerns nobody.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counters: dict[str, _Counter] = {}
        self._many = _FEW

    async def reserve(self, charges: Sequence[Charge]) -> Granted | Refused:
        """See ``at_once``."""
        return self.at_once(charges)

    def at_once(self, charges: Sequence[Charge], *, levels: bool = True) -> Granted | Refused:
        """Take all charges, each of another limit, or none."""
        now, known = self._clock(), self._counters
        counters: list[_Counter] = []
        said: list[Level] = []
        for limit, amount in charges:
            counter = known.get(limit.key)
            if counter is None or not counter.since <= now < counter.until:
                counter = self._add(limit, now)
            if counter.take(limit, amount, now):
                return self._refused(charges, counters, now)
            counters.append(counter)
            if levels:
                said.append(counter.level(limit, now))
        return Granted(tuple(said), tuple(charges), counters)

    async def reserve_each(self, questions: Sequence[Sequence[Charge]]) -> list[Granted | Refused]:
        """See ``at_once``."""
        return [self.at_once(charges) for charges in questions]

    def undo(self, granted: Granted) -> None:
        """Give everything back, requests too: nothing became of it. In the place of ``settle``."""
        now = self._clock()
        for charge, counter in zip(granted.charges, cast("list[_Counter]", granted.key), strict=True):
            counter.correct(-charge.amount, now)

    def settle(self, granted: Granted, used: Used) -> None:
        """Put what was used in the place of what was reserved, and give places back. Once for each ``Granted``."""
        now = self._clock()
        for (limit, amount), counter in zip(granted.charges, cast("list[_Counter]", granted.key), strict=True):
            unit = limit.unit
            if unit is _TOKENS:
                more = used.tokens - amount
                late = more > 0 and limit.span is None  # what its bucket lacked is taken from the one that there is now
                (self._known(limit, now) if late else counter).correct(more, now)
            elif unit is _PLACES:
                counter.correct(-amount, now)

    def drain(self) -> list[Counted]:
        """All that was counted and not drained before, for another store to add; the counts begin anew. Places stay:
        they are given back here. What is settled later is in a later ``drain``.
        """
        now, drained = self._clock(), []
        for counter in self._counters.values():
            if isinstance(counter, _InWindow):
                if now < counter.until:
                    drained.append(Counted(counter.limit, counter.start, counter.count))
                    counter.count = 0
            elif isinstance(counter, _Bucket):
                counter.correct(0, now)
                drained.append(Counted(counter.limit, None, math.ceil(counter.taken)))
                counter.empty(now)
        return [counted for counted in drained if counted.amount]

    def _refused(self, charges: Sequence[Charge], taken: Sequence[_Counter], now: float) -> Refused:
        """Give back what was ``taken`` of the first charges. The limit with the longest wait says why."""
        for charge, counter in zip(charges, taken, strict=False):
            counter.correct(-charge.amount, now)
        worst, short, levels = 0.0, charges[0].limit, []
        for limit, amount in charges:
            counter = self._known(limit, now)
            wait = counter.take(limit, amount, now)
            if not wait:
                counter.correct(-amount, now)
            elif wait > worst:
                worst, short = wait, limit
            levels.append(counter.level(limit, now))
        return Refused(tuple(levels), short, worst if worst < math.inf else None)

    def _known(self, limit: Limit, now: float) -> _Counter:
        counter = self._counters.get(limit.key)
        if counter is None or not counter.since <= now < counter.until:
            return self._add(limit, now)
        return counter

    def _add(self, limit: Limit, now: float) -> _Counter:
        if len(self._counters) >= self._many:
            self._counters = {key: counter for key, counter in self._counters.items() if counter.is_used(now)}
            self._many = max(_FEW, 2 * len(self._counters))
        added: _Counter
        if limit.unit is _PLACES:
            added = _Places()
        elif limit.span is None:
            added = _Bucket(limit, now)
        else:
            added = _InWindow(limit, *bounds(limit.span, limit.zone, now))
        self._counters[limit.key] = added
        return added
