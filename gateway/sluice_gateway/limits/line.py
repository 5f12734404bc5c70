"""Standing in line: consumers take turns, and each one's requests go in the order in which they came."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class GaveUp(Exception):
    """There was no room in time."""


class Displaced(GaveUp):
    """Its place in line went to another consumer."""


class _Waiter:
    """``called`` ends its sleep; it is a new one for each."""

    __slots__ = ("called", "consumer", "displaced")

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        self.displaced = False
        self.called: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Line:
    """A queue whose first member asks for room, when it becomes the first and whenever there may be some.

    ``clock`` gives seconds that only grow, ``sleep`` waits for some of them. Who is cancelled, or gives up, leaves the
    line at once.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._turns: OrderedDict[str, OrderedDict[_Waiter, None]] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anybody stands in it."""
        return bool(self._turns)

    async def stand(self, consumer: str, ask: Callable[[], Awaitable[T | float]], until: float) -> T:
        """Wait for one's turn, and then until ``ask`` gives something else than seconds after which to ask again.

        Raises GaveUp when it gave nothing else by ``until``, at which the first asks once more, and Displaced.
        """
        waiter = _Waiter(consumer)
        self._turns.setdefault(consumer, OrderedDict())[waiter] = None
        served = False
        try:
            while True:
                pause = math.inf
                if self._first() is waiter:
                    answer = await ask()
                    if not isinstance(answer, float):
                        served = True
                        return answer
                    pause = answer
                left = until - self._clock()
                if left <= 0:
                    raise GaveUp
                await self._until_called(waiter, min(pause, left))
                if waiter.displaced:
                    raise Displaced
        finally:
            if not waiter.displaced:
                self._leave(waiter, served=served)

    def call(self) -> None:
        """There may be room: the first is to ask at once."""
        if (first := self._first()) is not None and not first.called.done():
            first.called.set_result(None)

    def displace(self, consumer: str) -> bool:
        """Take the last place of the consumer who has the most, for a request of ``consumer``. False when that has as
        many, or would have more then.
        """
        most = max(self._turns.values(), key=len, default=OrderedDict[_Waiter, None]())
        if len(most) < len(self._turns.get(consumer, ())) + 2:
            return False
        last, _ = most.popitem()  # which is not the first: that one stands before it
        last.displaced = True
        if not last.called.done():
            last.called.set_result(None)
        return True

    def _first(self) -> _Waiter | None:
        return next(iter(next(iter(self._turns.values())))) if self._turns else None

    def _leave(self, waiter: _Waiter, *, served: bool) -> None:
        was_first, own = self._first() is waiter, self._turns[waiter.consumer]
        del own[waiter]
        if not own:
            del self._turns[waiter.consumer]
        elif served:
            self._turns.move_to_end(waiter.consumer)
        if was_first:
            self.call()

    async def _until_called(self, waiter: _Waiter, seconds: float) -> None:
        slept = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait((waiter.called, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            slept.cancel()
        if waiter.called.done():
            waiter.called = asyncio.get_running_loop().create_future()
