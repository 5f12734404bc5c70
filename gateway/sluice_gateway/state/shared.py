"""Keeping count for a fleet: in the state Redis, and in this process while that is away."""

import asyncio
import contextlib
import functools
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any

from sluice_gateway.limits.contract import Charge, Granted, Refused, Unit, Used
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.state.connection import Answered, Gone, Link, Unfit
from sluice_gateway.state.counters import LEASE_SECONDS, Counter, Counters, Form, Mark, Settlement, Taken

GATHER_SECONDS = 0.005
"""Settlements of so long go together: a hundred of them cost hardly more than one."""
AWAY_RETRY_SECONDS = 1.0
"""After which to ask again for what is refused because nobody can read its counters."""
MOST_AT_ONCE = 2000
"""Counters to settle in one round trip: what an outage has left takes many, between which requests have their turn."""
CLOSE_SECONDS = 0.5
"""For the last settlements, when the process ends."""

_ANOTHER_TIME = -1  # as reserve.lua says


class _Question:
    """A reservation on its way. ``answer`` becomes None when this process has to find one itself; so it has when the
    question was not ``sent``.
    """

    __slots__ = ("answer", "asked", "charges", "form", "lease", "sent")

    def __init__(self, charges: Sequence[Charge], form: Form, lease: str, loop: asyncio.AbstractEventLoop) -> None:
        self.charges = charges
        self.form = form
        self.lease = lease
        self.sent = False
        self.asked = loop.time()
        self.answer: asyncio.Future[Granted | Refused | None] = loop.create_future()


class _Alone(Taken):
    """What was given by this process. The state Redis gets to know of the lease later."""

    __slots__ = ("granted",)

    def __init__(self, granted: Granted, form: Form, lease: str) -> None:
        super().__init__(form, lease, ())
        self.granted = granted


class _Lease:
    """Places that are taken. ``known``: to the state Redis."""

    __slots__ = ("counters", "known")

    def __init__(self, counters: tuple[Counter, ...], *, known: bool) -> None:
        self.counters = counters
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
        return await self._answer(self._begin(charges))

    async def reserve_each(self, questions: Sequence[Sequence[Charge]]) -> list[Granted | Refused]:
        """Several reservations, each for itself and of a holder of its own, in one round trip."""
        begun = deque(map(self._begin, questions))
        answers = list[Granted | Refused]()
        try:
            while begun:
                answers.append(await self._answer(begun.popleft()))
        except asyncio.CancelledError:
            for one in begun:
                self._leave(one)
            for answer in answers:
                if isinstance(answer, Granted):
                    self.undo(answer)
            raise
        return answers

    def _begin(self, charges: Sequence[Charge]) -> _Question:
        form = self._counters.form(charges)
        question = _Question(charges, form, f"{self._pod}:{next(self._ids)}" if form.places else "", self._loop)
        if self._link.available:
            question.sent = True
            self._ask(question)
        return question

    async def _answer(self, question: _Question) -> Granted | Refused:
        if not question.sent:
            return self._alone(question.charges, question.form, question.lease, known=False)
        try:
            answer = await question.answer
        except asyncio.CancelledError:
            self._leave(question)
            raise
        if answer is not None:
            return answer
        return self._alone(question.charges, question.form, question.lease, known=True)  # it may have been heard

    def _leave(self, question: _Question) -> None:
        """Whoever asked has left: give back what is granted, now or when it is."""
        if question.answer.cancel() or question.answer.cancelled():
            return
        taken = question.answer.result()
        if taken is None:  # it may have been heard: nobody else gives its places back
            self._hold(question.form, question.lease, known=True)
            self._free(question.lease)
        self._undo(taken)

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
            for index in key.form.tokens:
                if more := used.tokens - granted.charges[index].amount:
                    self._owe(key.mark(index), more)
        self._free(key.lease)
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
        return self._counters.reserve(question.form, question.charges, question.lease, self._link.now(), until)

    def _answered(self, question: _Question, said: Any) -> None:
        form, lease, answer = question.form, question.lease, question.answer
        taken = None
        if not isinstance(said, Gone):
            self._link.heard(said[1])
            if said[0] == _ANOTHER_TIME:  # the server's clock has leapt, and we know it now
                if not answer.done():
                    self._ask(question)
                return
            taken = self._counters.taken(form, question.charges, lease, said)
            if lease and isinstance(taken, Granted):
                self._hold(form, lease, known=True)
        elif answer.done():  # it may have been heard: nobody else gives its places back
            self._hold(form, lease, known=True)
            self._free(lease)
        if not answer.done():
            answer.set_result(taken)
        else:  # whoever asked has left
            self._undo(taken)

    def undo(self, granted: Granted) -> None:
        """Give everything back, requests too: nothing became of it. In the place of ``settle``."""
        key = granted.key
        if not isinstance(key, Taken) or key.settled:
            return
        key.settled = True
        if isinstance(key, _Alone):
            self._local.undo(key.granted)
            self._counted_here = True
        else:
            for index, charge in enumerate(granted.charges):
                if charge.limit.unit is not Unit.PLACES:
                    self._owe(key.mark(index), -charge.amount)
        self._free(key.lease)
        self._gather()

    def _undo(self, taken: Granted | Refused | None) -> None:
        if isinstance(taken, Granted):
            self.undo(taken)

    def _alone(self, charges: Sequence[Charge], form: Form, lease: str, *, known: bool) -> Granted | Refused:
        """What this process says while the state Redis is away. ``known``: it may know of the lease."""
        self._hold(form, lease, known=known)
        closed = next((limit for limit in form.limits if limit.closed), None)
        if closed is not None:
            self._free(lease)
            return Refused((), closed, AWAY_RETRY_SECONDS, away=True)
        answer = self._local.at_once(charges)
        if isinstance(answer, Refused):
            self._free(lease)
            return answer
        self._counted_here = True
        return answer._replace(key=_Alone(answer, form, lease))

    def _hold(self, form: Form, lease: str, *, known: bool) -> None:
        if lease:
            self._held[lease] = _Lease(form.places, known=known)

    def _free(self, lease: str) -> None:
        held = self._held.pop(lease, None)
        if held is not None and held.known:
            for counter in held.counters:
                self._owed(counter.holder).freed.setdefault(counter, []).append(lease)
            self._gather()

    def _owe(self, mark: Mark, amount: int) -> None:
        self._owed(mark.counter.holder).add(mark, amount)

    def _owed(self, holder: str) -> Settlement:
        found = self._due.get(holder)
        if found is None:
            found = self._due[holder] = Settlement(holder)
        return found

    def _gather(self) -> None:
        if self._gathering is None and self._link.available and (self._due or self._counted_here):
            self._gathering = self._loop.call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        if self._due or self._counted_here:  # else it went with a question
            self._link.wake()

    def _settlements(self) -> list[tuple[bytes, Answered]]:
        """What is owed, to be sent now: no more than a round trip bears."""
        if self._counted_here:
            self._drain()
        if self._again:
            self._again = False
            self._unsent = deque(self._unanswered)
        if self._due:
            self._number()
        if not self._unanswered:
            self._told_all.set()
        sent: list[tuple[bytes, Answered]] = []
        if self._unsent:
            now, told = self._link.now(), 0
            while self._unsent and told < MOST_AT_ONCE:
                settlement = self._unanswered[number := self._unsent.popleft()]
                told += settlement.size
                sent.append((self._counters.settle(number, settlement, now), functools.partial(self._told, number)))
            if self._unsent:
                self._link.wake()
        return sent

    def _drain(self) -> None:
        """What this process has counted is owed, too."""
        self._counted_here = False
        for limit, start, amount in self._local.drain():
            self._owe(Mark(self._counters.of(limit), start or 0, 0), amount)

    def _number(self) -> None:
        due, self._due = self._due, {}
        for settlement in filter(None, due.values()):
            for part in settlement.parts():
                number = next(self._numbers)
                self._unanswered[number] = part
                self._unsent.append(number)

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
            for counter in held.counters:
                self._owed(counter.holder).held.setdefault(counter, []).append(lease)
