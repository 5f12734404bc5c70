"""How limits are written in the state Redis: the names of their counters, and the words of its scripts."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from sluice_gateway.limits.contract import Charge, Granted, Level, Limit, Refused, Span, Unit
from sluice_gateway.limits.windows import bounds
from sluice_gateway.state.scripts import script
from sluice_gateway.state.wire import Command

LEASE_SECONDS = 60
"""A place that nobody asks to keep for so long is free again: its pod is gone."""
MARK_SECONDS = 2 * 24 * 3600
"""How long a pod's last settlement is known. One that is sent again later, after an outage of that length, may count
twice."""
CLOCK_SECONDS = 30
"""How far our idea of the server's clock may be off without a charge missing its window: half of the shortest."""

MOST_TOLD = 500
"""Counters that one command settles: the server is through with them in a few milliseconds, and others have their turn.
"""

_MOST_NAMES = 20_000  # kept in mind; one that is forgotten costs a few microseconds more, once

K = TypeVar("K")
V = TypeVar("V")

Window = tuple[int, int, int]
"""Start, middle and end of two windows that follow one another, in epoch seconds."""


class Counter(NamedTuple):
    """One limit's counter. ``holder`` names the place where all of its holder's counters are."""

    holder: str
    key: str
    kind: str
    most: int
    span: Span | None
    zone: str


class Mark(NamedTuple):
    """A count that something was taken from: a window's start (0 of a bucket), and when the count began, in the
    server's milliseconds. A beginning of 0 means whichever count there is.
    """

    counter: Counter
    start: int
    began: int


class Taken:
    """What was given: a mark for each charge, and the leases of places. Settled once."""

    __slots__ = ("leases", "marks", "settled")

    def __init__(self, marks: tuple[Mark, ...], leases: tuple[str, ...]) -> None:
        self.marks = marks
        self.leases = leases
        self.settled = False


class Counters:
    """The counters of one gateway. ``pod`` is who we are: a name that no other process has, nor this one after it was
    started again.
    """

    def __init__(self, gateway: str, pod: str) -> None:
        self._gateway = gateway
        self._pod = pod
        self._reserve = script("reserve").digest
        self._settle = script("settle").digest
        self._found: dict[Limit, Counter] = {}
        self._windows: dict[tuple[Span, str], Window] = {}

    def of(self, limit: Limit) -> Counter:
        """The counter of a limit."""
        found = self._found.get(limit)
        if found is None:
            if len(self._found) >= _MOST_NAMES:
                self._found.clear()
            found = self._found[limit] = self._named(limit)
        return found

    def window(self, span: Span, zone: str, now: float) -> Window:
        """Two windows, one of which the server is in, whose clock is at ``now`` or up to CLOCK_SECONDS from it."""
        found = self._windows.get((span, zone))
        if found is None or not found[0] <= now - CLOCK_SECONDS < found[1]:
            start, middle = bounds(span, zone, now - CLOCK_SECONDS)
            found = self._windows[span, zone] = (start, middle, bounds(span, zone, middle)[1])
        return found

    def reserve(self, charges: Sequence[Charge], leases: Sequence[str], now: float, deadline: int) -> Command:
        """Take all of the charges or none. ``leases`` are for those that are places, in their order; ``now`` is the
        server's time, and ``deadline`` that in milliseconds after which nothing is to be taken.
        """
        keys: list[str] = []
        arguments: list[str | int] = []
        lease = iter(leases)
        for charge in charges:
            counter = self.of(charge.limit)
            keys.append(counter.key)
            arguments += (counter.kind, counter.most, charge.amount)
            if counter.kind == "places":
                arguments += (next(lease), LEASE_SECONDS * 1000, 0)
            elif counter.span is None:
                arguments += (0, 0, 0)
            else:
                arguments += self.window(counter.span, counter.zone, now)
        return ("EVALSHA", self._reserve, len(keys), *keys, deadline, *arguments)

    def taken(self, charges: Sequence[Charge], leases: tuple[str, ...], answer: Sequence[int]) -> Granted | Refused:
        """What the server says to ``reserve``, if it was in time."""
        short, _, wait, *figures = answer
        levels = tuple(
            [
                Level(charge.limit, max(0, remaining), reset / 1000)
                for charge, remaining, reset in zip(charges, figures[::4], figures[1::4], strict=True)
            ]
        )
        if short:
            return Refused(levels, charges[short - 1].limit, wait / 1000 if wait >= 0 else None)
        marks = zip(map(self.of, [charge.limit for charge in charges]), figures[2::4], figures[3::4], strict=True)
        return Granted(levels, tuple(charges), Taken(tuple(map(Mark._make, marks)), leases))

    def settle(self, number: int, settlement: "Settlement", now: float) -> Command:
        """Apply a settlement, the ``number``-th of this pod."""
        keys = [f"{{{settlement.holder}}}pod/{self._pod}"]
        arguments: list[str | int] = []
        for mark, amount in settlement.amounts.items():
            counter = mark.counter
            if counter.span is None:
                arguments += (counter.kind, counter.most, 0, 0, mark.began, amount)
            elif (end := self._end(counter.span, counter.zone, mark.start, now)) is not None:
                arguments += (counter.kind, counter.most, mark.start, end, mark.began, amount)
            else:
                continue
            keys.append(counter.key)
        for kind, leases in (("hold", settlement.held), ("free", settlement.freed)):
            for counter, ids in leases.items():
                keys.append(counter.key)
                arguments += (kind, 0, 0, LEASE_SECONDS * 1000, 0, " ".join(ids))
        return ("EVALSHA", self._settle, len(keys), *keys, number, MARK_SECONDS * 1000, *arguments)

    def _end(self, span: Span, zone: str, start: int, now: float) -> int | None:
        """When a window ends; None when it has ended long ago."""
        first, middle, last = self.window(span, zone, now)
        return {first: middle, middle: last}.get(start)

    def _named(self, limit: Limit) -> Counter:
        holder = f"sluice/{self._gateway}/{limit.holder}"
        when = "" if limit.span is None else f"{limit.span}/{limit.zone}/"
        kind = "window" if limit.span else "places" if limit.unit is Unit.PLACES else "bucket"
        key = f"{{{holder}}}{limit.unit}/{limit.name}/{when}{limit.consumer}"
        return Counter(holder, key, kind, limit.most, limit.span, limit.zone)


class Settlement:
    """What is to be told of one holder's counters, summed up."""

    __slots__ = ("amounts", "freed", "held", "holder")

    def __init__(
        self,
        holder: str,
        amounts: dict[Mark, int] | None = None,
        held: dict[Counter, list[str]] | None = None,
        freed: dict[Counter, list[str]] | None = None,
    ) -> None:
        self.holder = holder
        self.amounts = amounts or {}
        self.held = held or {}
        self.freed = freed or {}

    def add(self, mark: Mark, amount: int) -> None:
        """Count more, or less when negative."""
        self.amounts[mark] = self.amounts.get(mark, 0) + amount

    @property
    def size(self) -> int:
        """How many counters it names; one may be named in several ways."""
        return len(self.amounts) + len(self.held) + len(self.freed)

    def parts(self) -> Iterator["Settlement"]:
        """The same, of MOST_TOLD counters at most each."""
        if self.size <= MOST_TOLD:
            yield self
            return
        for amounts in _pieces(self.amounts):
            yield Settlement(self.holder, amounts=amounts)
        for held in _pieces(self.held):
            yield Settlement(self.holder, held=held)
        for freed in _pieces(self.freed):
            yield Settlement(self.holder, freed=freed)

    def __bool__(self) -> bool:
        return bool(self.freed or self.held or any(self.amounts.values()))


def _pieces(told: Mapping[K, V]) -> Iterator[dict[K, V]]:
    items = iter(told.items())
    while piece := dict(islice(items, MOST_TOLD)):
        yield piece
