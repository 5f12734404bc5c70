"""How limits are written in the state Redis: the names of their counters, and the words of its scripts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from sluice_gateway.limits.contract import Charge, Granted, Level, Limit, Refused, Span, Unit
from sluice_gateway.limits.windows import bounds
from sluice_gateway.state.scripts import script
from sluice_gateway.state.wire import packed, words

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


class Form:
    """What every question about the same limits has in common.

    ``places`` are the counters of those that are places, and ``tokens`` says which are tokens. The ``tail`` is right
    while our idea of the server's clock is from ``since`` to before ``until``.
    """

    __slots__ = ("counters", "head", "limits", "places", "since", "tail", "tokens", "until")

    def __init__(self, limits: tuple[Limit, ...], counters: tuple[Counter, ...], digest: bytes) -> None:
        self.limits = limits
        self.counters = counters
        self.places = tuple(one for one in counters if one.kind == "places")
        self.tokens = tuple(index for index, limit in enumerate(limits) if limit.unit is Unit.TOKENS)
        count = len(limits)
        keys = [counter.key for counter in counters]
        self.head = b"*%d\r\n" % (6 + 7 * count) + words("EVALSHA", digest, count, *keys)
        self.tail = b""
        self.since = self.until = 0.0


class Taken:
    """What was given: what the server ``said``, and the lease of what is places, or "". Settled once."""

    __slots__ = ("form", "lease", "said", "settled")

    def __init__(self, form: Form, lease: str, said: Sequence[int]) -> None:
        self.form = form
        self.lease = lease
        self.said = said
        self.settled = False

    def mark(self, index: int) -> Mark:
        """The count that a charge was taken from."""
        return Mark(self.form.counters[index], self.said[5 + 4 * index], self.said[6 + 4 * index])


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
        self._forms: dict[tuple[int, ...], Form] = {}
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

    def form(self, charges: Sequence[Charge]) -> Form:
        """What questions about the limits of these charges have in common."""
        ids = tuple([id(limit) for limit, _ in charges])  # no other object's, while the form has them
        found = self._forms.get(ids)
        if found is None:
            if len(self._forms) >= _MOST_NAMES:
                self._forms.clear()
            limits = tuple([limit for limit, _ in charges])
            found = self._forms[ids] = Form(limits, tuple(map(self.of, limits)), self._reserve)
        return found

    def reserve(self, form: Form, charges: Sequence[Charge], lease: str, now: float, deadline: int) -> bytes:
        """Take all of the charges or none. ``lease`` is for those that are places; ``now`` is the server's time, and
        ``deadline`` that in milliseconds after which nothing is to be taken.
        """
        if not form.since <= now < form.until:
            self._fill(form, now)
        return form.head + words(deadline, lease, *[amount for _, amount in charges]) + form.tail

    def taken(self, form: Form, charges: Sequence[Charge], lease: str, said: Sequence[int]) -> Granted | Refused:
        """What the server has said to ``reserve``, if it was in time."""
        levels = tuple(
            [
                Level(limit, remaining, reset / 1000)
                for limit, remaining, reset in zip(form.limits, said[3::4], said[4::4], strict=True)
            ]
        )
        if short := said[0]:
            return Refused(levels, form.limits[short - 1], said[2] / 1000 if said[2] >= 0 else None)
        return Granted(levels, tuple(charges), Taken(form, lease, said))

    def settle(self, number: int, settlement: "Settlement", now: float) -> bytes:
        """Apply a settlement, the ``number``-th of this pod."""
        keys = [f"{{{settlement.holder}}}pod/{self._pod}"]
        arguments: list[str | int] = [number, MARK_SECONDS * 1000]
        for (counter, start, began), amount in settlement.amounts.items():
            end = 0
            if counter.span is not None:
                first, middle, last = self.window(counter.span, counter.zone, now)
                if start != first and start != middle:  # it has ended long ago
                    continue
                end = middle if start == first else last
            keys.append(counter.key)
            arguments += (counter.kind, counter.most, start, end, began, amount)
        for kind, leases in (("hold", settlement.held), ("free", settlement.freed)):
            for counter, ids in leases.items():
                keys.append(counter.key)
                arguments += (kind, 0, 0, LEASE_SECONDS * 1000, 0, " ".join(ids))
        return packed(("EVALSHA", self._settle, len(keys), *keys, *arguments))

    def _fill(self, form: Form, now: float) -> None:
        """Name the windows in which the server may be."""
        form.since, form.until = -math.inf, math.inf
        arguments: list[str | int] = [LEASE_SECONDS * 1000]
        for counter in form.counters:
            window = (0, 0, 0)
            if counter.span is not None:
                window = self.window(counter.span, counter.zone, now)
                form.since = max(form.since, window[0] + CLOCK_SECONDS)
                form.until = min(form.until, window[1] + CLOCK_SECONDS)
            arguments += (counter.kind, counter.most, *window)
        form.tail = words(*arguments)

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

    def parts(self) -> Sequence["Settlement"]:
        """The same, of MOST_TOLD counters at most each."""
        if self.size <= MOST_TOLD:
            return (self,)
        return (
            *(Settlement(self.holder, amounts=amounts) for amounts in _pieces(self.amounts)),
            *(Settlement(self.holder, held=held) for held in _pieces(self.held)),
            *(Settlement(self.holder, freed=freed) for freed in _pieces(self.freed)),
        )

    def __bool__(self) -> bool:
        return bool(self.freed or self.held or any(self.amounts.values()))


def _pieces(told: Mapping[K, V]) -> Iterator[dict[K, V]]:
    items = iter(told.items())
    while piece := dict(islice(items, MOST_TOLD)):
        yield piece
