"""Keeping count in this process: all there is for one pod, and what a fleet falls back to."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, cast

from sluice_gateway.limits.contract import Charge, Granted, Level, Limit, Refused, Span, Unit, Used
from sluice_gateway.limits.windows import bounds

PLACE_WAIT = 1.0
"""Seconds after which to ask again for a place: nobody knows when the next is given back."""
FILL_SECONDS = 60.0
"""In which an empty bucket fills."""

_GRAIN = 0.001  # of a unit: what division leaves over; all amounts are whole
_SET_BACK = 60.0  # seconds that the clock may be set back without giving a window twice
_FEW_BUCKETS = 1024  # not worth looking for full ones

_Name = tuple[str, str, str, Unit]


class Counted(NamedTuple):
    """What was used of a limit and not drained before. ``start``: of its window, in epoch seconds; None of a bucket.

    Negative when a reservation that was drained before has turned out too large.
    """

    limit: Limit
    start: int | None
    amount: int


class _Counter(Protocol):
    """One limit's count. Whatever has gone out of use meanwhile may still be settled."""

    def wait(self, charge: Charge, now: float) -> float:
        """Seconds until there is room; 0 when there is, inf when there never will be."""
        ...

    def take(self, amount: int) -> None:
        """Take it, right after ``wait``."""
        ...

    def correct(self, amount: int, now: float) -> None:
        """Take what a reservation lacked; give back what it had too much when negative."""
        ...

    def level(self, limit: Limit, now: float) -> Level:
        """How full it is, right after ``wait``."""
        ...


class _Places:
    """Only places that are taken are kept."""

    __slots__ = ("name", "taken")

    def __init__(self, taken: dict[_Name, int], name: _Name) -> None:
        self.taken = taken
        self.name = name

    def wait(self, charge: Charge, now: float) -> float:
        most = charge.limit.most
        if self.taken.get(self.name, 0) + charge.amount <= most:
            return 0.0
        return PLACE_WAIT if charge.amount <= most else math.inf

    def take(self, amount: int) -> None:
        self.taken[self.name] = self.taken.get(self.name, 0) + amount

    def correct(self, amount: int, now: float) -> None:
        self.take(amount)
        if not self.taken[self.name]:
            del self.taken[self.name]

    def level(self, limit: Limit, now: float) -> Level:
        return Level(limit, max(0, limit.most - self.taken.get(self.name, 0)), 0.0)


class _InWindow:
    __slots__ = ("count", "end", "limit")

    def __init__(self, limit: Limit, end: int) -> None:
        self.limit = limit
        self.end = end
        self.count = 0

    def wait(self, charge: Charge, now: float) -> float:
        if self.count + charge.amount <= charge.limit.most:
            return 0.0
        return self.end - now if charge.amount <= charge.limit.most else math.inf

    def take(self, amount: int) -> None:
        self.count += amount

    def correct(self, amount: int, now: float) -> None:
        self.count += amount

    def level(self, limit: Limit, now: float) -> Level:
        return Level(limit, max(0, limit.most - self.count), self.end - now)


class _Bucket:
    """``taken`` is what it lacks of being full, as it was ``at``. Once it is full, another takes its place: what was
    taken from this one has come back then, and is not given back again.
    """

    __slots__ = ("at", "limit", "taken")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit = limit
        self.taken = 0.0
        self.at = now

    def fill(self, now: float) -> float:
        """What is taken now. Time that a clock was set back brings nothing."""
        if now > self.at:
            self.taken = max(0.0, self.taken - (now - self.at) * self.limit.most / FILL_SECONDS)
        self.at = now
        return self.taken

    def wait(self, charge: Charge, now: float) -> float:
        most = charge.limit.most
        lacking = self.fill(now) + charge.amount - most
        if lacking <= _GRAIN:
            return 0.0
        return lacking * FILL_SECONDS / most if charge.amount <= most else math.inf

    def take(self, amount: int) -> None:
        self.taken += amount

    def correct(self, amount: int, now: float) -> None:
        self.taken = max(0.0, self.fill(now) + amount)

    def level(self, limit: Limit, now: float) -> Level:
        left = limit.most - self.taken
        return Level(limit, int(left + _GRAIN) if left > 0 else 0, self.taken * FILL_SECONDS / limit.most)


class _Window:
    """The window of a zone that is open now, with the counts in it."""

    __slots__ = ("counts", "end", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.counts: dict[_Name, _InWindow] = {}


class LocalStore:
    """Counts in memory; ``clock`` gives epoch seconds. A limit is known by its name: one whose ``most`` is changed goes
    on from what was used.

    What was counted in a window goes away with it, at once. What is settled after its window's end concerns nobody.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[tuple[Span, str], _Window] = {}
        self._buckets: dict[_Name, _Bucket] = {}
        self._many_buckets = _FEW_BUCKETS
        self._places: dict[_Name, int] = {}

    async def reserve(self, charges: Sequence[Charge]) -> Granted | Refused:
        """See ``at_once``."""
        return self.at_once(charges)

    def at_once(self, charges: Sequence[Charge]) -> Granted | Refused:
        """Take all charges, each of another limit, or none."""
        now, worst, short = self._clock(), 0.0, None
        counters = []
        for charge in charges:
            counter = self._counter(charge.limit, now)
            counters.append(counter)
            wait = counter.wait(charge, now)
            if wait > worst:
                worst, short = wait, charge.limit
        if short is None:
            for charge, counter in zip(charges, counters, strict=True):
                counter.take(charge.amount)
        levels = tuple([counter.level(charge.limit, now) for charge, counter in zip(charges, counters, strict=True)])
        if short is not None:
            return Refused(levels, short, worst if worst < math.inf else None)
        return Granted(levels, tuple(charges), counters)

    def settle(self, granted: Granted, used: Used) -> None:
        """Put what was used in the place of what was reserved, and give places back. Once for each ``Granted``."""
        now = self._clock()
        for charge, counter in zip(granted.charges, cast("list[_Counter]", granted.key), strict=True):
            unit = charge.limit.unit
            if unit is Unit.PLACES:
                counter.correct(-charge.amount, now)
            elif unit is Unit.TOKENS:
                more = used.tokens - charge.amount
                if more > 0 and charge.limit.span is None:
                    self._bucket(charge.limit, now).correct(more, now)
                else:
                    counter.correct(more, now)

    def drain(self) -> list[Counted]:
        """All that was counted and not drained before, for another store to add; the counts begin anew. Places stay:
        they are given back here. What is settled later is in a later ``drain``.
        """
        now, drained = self._clock(), []
        for window in self._windows.values():
            if now < window.end:
                for one in window.counts.values():
                    drained.append(Counted(one.limit, window.start, one.count))
                    one.count = 0
        for bucket in self._buckets.values():
            drained.append(Counted(bucket.limit, None, math.ceil(bucket.fill(now))))
            bucket.taken = 0.0
        return [counted for counted in drained if counted.amount]

    def _counter(self, limit: Limit, now: float) -> _Counter:
        if limit.unit is Unit.PLACES:
            return _Places(self._places, _name(limit))
        return self._bucket(limit, now) if limit.span is None else self._in_window(limit, limit.span, now)

    def _in_window(self, limit: Limit, span: Span, now: float) -> _InWindow:
        window = self._windows.get((span, limit.zone))
        if window is None or not window.start - _SET_BACK <= now < window.end:
            window = self._open(span, limit.zone, now)
        name = _name(limit)
        found = window.counts.get(name)
        if found is None:
            found = window.counts[name] = _InWindow(limit, window.end)
        return found

    def _open(self, span: Span, zone: str, now: float) -> _Window:
        self._windows = {key: window for key, window in self._windows.items() if now < window.end}
        opened = self._windows[span, zone] = _Window(*bounds(span, zone, now))
        return opened

    def _bucket(self, limit: Limit, now: float) -> _Bucket:
        name = _name(limit)
        found = self._buckets.get(name)
        if found is None or not found.fill(now):
            if len(self._buckets) >= self._many_buckets:
                self._drop_full_buckets(now)
            found = self._buckets[name] = _Bucket(limit, now)
        found.limit = limit
        return found

    def _drop_full_buckets(self, now: float) -> None:
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if bucket.fill(now)}
        self._many_buckets = max(_FEW_BUCKETS, 2 * len(self._buckets))


def _name(limit: Limit) -> _Name:
    return limit.holder, limit.name, limit.consumer, limit.unit
