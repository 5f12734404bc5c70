"""Keeping count for a fleet: in the state Redis, and in this process while that is away."""

import asyncio
import contextlib
import functools
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from sluice_gateway.limits.contract import Charge, Granted, Refused, Unit, Used
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.state.connection import Answered, Gone, Link, Unfit
from sluice_gateway.state.counters import LEASE_SECONDS, Counter, Counters, Mark, Settlement, Taken
from sluice_gateway.state.wire import packed

GATHER_SECONDS = 0.005
"""Settlements of so long go together: a hundred of them cost hardly more than one."""
AWAY_RETRY_SECONDS = 1.0
"""After which to ask again for what is refused because nobody can read its counters."""
MOST_AT_ONCE = 2000
"""Counters to settle in one round trip: what an outage has left takes many, between which requests have their turn."""
CLOSE_SECONDS = 0.5
"""For the last settlements, when the process ends."""

_ANOTHER_TIME = -1  # as reserve.lua says


class _Question(NamedTuple):
    """``answer`` becomes None when this process has to find one itself. ``asked`` is the loop's time."""

    charges: Sequence[Charge]
    leases: tuple[str, ...]
    asked: float
    answer: "asyncio.Future[Granted | Refused | None]"


class _Alone(Taken):
    """What was given by this process. The state Redis gets to know of the leases later."""

    __slots__ = ("granted",)

    def __init__(self, granted: Granted, leases: tuple[str, ...]) -> None:
        super().__init__((), leases)
        self.granted = granted


class _Lease:
    """A place that is taken. ``known``: to the state Redis."""

    __slots__ = ("counter", "known")

    def __init__(self, counter: Counter, *, known: bool) -> None:
        self.counter = counter
        self.known = known


class SharedStore:
    """A ``Store`` of many processes.

    One round trip takes all charges of a request or none. Settlements are summed up and sent afterwards, numbered, and
    sent again until they are known to have arrived: each counts once. While the state Redis is away, limits that are
    ``closed`` refuse, and the others are counted by ``local``; what that has counted is added when it is back.

    What a process that dies has reserved stays counted until its window ends or its bucket is full; its places are free
    when their leases end. A reservation whose answer is lost counts as if it had been used: at most what was under way.
    """

    def __init__(self, link: Link, local: LocalStore, counters: Counters, pod: str) -> None:
        self._link = link
        self._local = local
        self._counters = counters
        self._pod = pod
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._numbers = itertools.count(1)
        self._held: dict[str, _Lease] = {}
        self._due: dict[str, Settlement] = {}
        self._unanswered: dict[int, Settlement] = {}
        self._unsent: deque[int] = deque()
        self._again = False
        self._told_all = asyncio.Event()
        self._counted_here = False
        self._gathering: asyncio.TimerHandle | None = None
        self._renewing = self._loop.call_later(LEASE_SECONDS / 3, self._renew)
        link.first = self._settlements
        link.returned.append(self._catch_up)

    @property
    def available(self) -> bool:
        """Whether the state Redis is there, as far as is known."""
        return self._link.available

    def at_once(self, _charges: Sequence[Charge], *, levels: bool = True) -> None:
        """See ``Store``: the state Redis is always to be asked."""

    async def reserve(self, charges: Sequence[Charge]) -> Granted | Refused:
        """Take all charges, of one holder, or none."""
        leases = tuple([f"{self._pod}:{next(self._ids)}" for one in charges if one.limit.unit is Unit.PLACES])
        if self._link.available:
            question = _Question(charges, leases, self._loop.time(), self._loop.create_future())
            self._ask(question)
            try:
                answer = await question.answer
            except asyncio.CancelledError:
                if question.answer.done() and not question.answer.cancelled():
                    self._undo(question.answer.result())
                raise
            if answer is not None:
                return answer
            return await self._alone(charges, leases, known=True)  # it may have been heard
        return await self._alone(charges, leases, known=False)

    def settle(self, granted: Granted, used: Used) -> None:
        """Put what was used in the place of what was reserved, and give places back."""
        key = granted.key
        if not isinstance(key, Taken) or key.settled:
            return
        key.settled = True
        if isinstance(key, _Alone):
            self._local.settle(key.granted, used)
            self._counted_here = True
        else:
            for charge, mark in zip(granted.charges, key.marks, strict=True):
                if charge.limit.unit is Unit.TOKENS and used.tokens != charge.amount:
                    self._owed(mark.counter.holder).add(mark, used.tokens - charge.amount)
        self._free(key.leases)
        self._gather()

    async def close(self) -> None:
        """Tell what is left to tell."""
        self._renewing.cancel()
        self._told_all.clear()
        self._link.wake()
        if self._link.available and (self._due or self._unanswered or self._counted_here):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._told_all.wait()

    def _ask(self, question: _Question) -> None:
        command = functools.partial(self._command, question)
        self._link.ask(command, functools.partial(self._answered, question), question.asked)

    def _command(self, question: _Question, until: int) -> bytes | None:
        if question.answer.done():  # whoever asked has left
            return None
        return packed(self._counters.reserve(question.charges, question.leases, self._link.now(), until))

    def _answered(self, question: _Question, said: Any) -> None:
        charges, leases, _, answer = question
        taken = None
        if not isinstance(said, Gone):
            self._link.heard(said[1])
            if said[0] == _ANOTHER_TIME:  # the server's clock has leapt, and we know it now
                if not answer.done():
                    self._ask(question)
                return
            taken = self._counters.taken(charges, leases, said)
            if leases and isinstance(taken, Granted):
                self._hold(charges, leases, known=True)
        elif answer.done():  # it may have been heard: nobody else gives its places back
            self._hold(charges, leases, known=True)
            self._free(leases)
        if not answer.done():
            answer.set_result(taken)
        else:  # whoever asked has left
            self._undo(taken)

    def _undo(self, taken: Granted | Refused | None) -> None:
        """Give back what nobody has used, requests too."""
        if isinstance(taken, Granted) and isinstance(taken.key, Taken):
            for charge, mark in zip(taken.charges, taken.key.marks, strict=True):
                if charge.limit.unit is not Unit.PLACES:
                    self._owed(mark.counter.holder).add(mark, -charge.amount)
            self._free(taken.key.leases)
            self._gather()

    async def _alone(self, charges: Sequence[Charge], leases: tuple[str, ...], *, known: bool) -> Granted | Refused:
        """What this process says while the state Redis is away. ``known``: it may know of the leases."""
        self._hold(charges, leases, known=known)
        closed = next((charge.limit for charge in charges if charge.limit.closed), None)
        if closed is not None:
            self._free(leases)
            return Refused((), closed, AWAY_RETRY_SECONDS, away=True)
        answer = await self._local.reserve(charges)
        if isinstance(answer, Refused):
            self._free(leases)
            return answer
        self._counted_here = True
        return answer._replace(key=_Alone(answer, leases))

    def _hold(self, charges: Sequence[Charge], leases: tuple[str, ...], *, known: bool) -> None:
        places = [self._counters.of(one.limit) for one in charges if one.limit.unit is Unit.PLACES]
        for lease, counter in zip(leases, places, strict=True):
            self._held[lease] = _Lease(counter, known=known)

    def _free(self, leases: tuple[str, ...]) -> None:
        for lease in leases:
            held = self._held.pop(lease, None)
            if held is not None and held.known:
                self._owed(held.counter.holder).freed.setdefault(held.counter, []).append(lease)

    def _owed(self, holder: str) -> Settlement:
        found = self._due.get(holder)
        if found is None:
            found = self._due[holder] = Settlement(holder)
        return found

    def _gather(self) -> None:
        if self._gathering is None and self._link.available and (self._due or self._counted_here):
            self._gathering = self._loop.call_later(GATHER_SECONDS, self._link.wake)

    def _settlements(self) -> list[tuple[bytes, Answered]]:
        """What is owed, to be sent now: no more than a round trip bears. The link asks until nothing is left."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if self._counted_here:
            self._counted_here = False
            for limit, start, amount in self._local.drain():
                counter = self._counters.of(limit)
                self._owed(counter.holder).add(Mark(counter, start or 0, 0), amount)
        if self._again:
            self._unsent = deque(self._unanswered)
            self._again = False
        due, self._due = self._due, {}
        for settlement in filter(None, due.values()):
            for part in settlement.parts():
                number = next(self._numbers)
                self._unanswered[number] = part
                self._unsent.append(number)
        if not self._unanswered:
            self._told_all.set()
        now, told, sent = self._link.now(), 0, list[tuple[bytes, Answered]]()
        while self._unsent and told < MOST_AT_ONCE:
            settlement = self._unanswered[number := self._unsent.popleft()]
            told += settlement.size
            sent.append((packed(self._counters.settle(number, settlement, now)), functools.partial(self._told, number)))
        if self._unsent:
            self._link.wake()
        return sent

    def _told(self, number: int, said: Any) -> None:
        if isinstance(said, Gone) and not isinstance(said, Unfit):
            return  # it is sent again when the server is back
        self._unanswered.pop(number, None)
        if not self._unanswered and not self._due:
            self._told_all.set()

    def _catch_up(self) -> None:
        """The state Redis may be another one: what it may have missed comes first, in its order."""
        self._again = True
        self._keep_leases()
        self._link.wake()

    def _renew(self) -> None:
        self._renewing = self._loop.call_later(LEASE_SECONDS / 3, self._renew)
        if self._link.available:
            self._keep_leases()
            self._link.wake()

    def _keep_leases(self) -> None:
        for lease, held in self._held.items():
            held.known = True
            self._owed(held.counter.holder).held.setdefault(held.counter, []).append(lease)
