"""Asking a store in memory, whose answers nobody has to wait for, at times that a test sets."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

import pytest

from sluice_gateway.limits.contract import Charge, Granted, Limit, Refused, Span, Unit, Used
from sluice_gateway.limits.local import LocalStore

NOON = datetime.fromisoformat("2026-05-01T12:00:00Z").timestamp()


class Wall:
    """A clock that a test sets."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FarStore:
    """Counters that have to be asked; ``asked`` are the holders, by round trip. Answers come when they may: at once,
    unless a test clears ``may_come``.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.counts = LocalStore(clock)
        self.asked: list[list[str]] = []
        self.answered = asyncio.Event()
        self.may_come = asyncio.Event()
        self.may_come.set()

    def at_once(self, _charges: Sequence[Charge], *, levels: bool = True) -> None:
        """Nothing is known at once."""

    async def reserve(self, charges: Sequence[Charge]) -> Granted | Refused:
        [answer] = await self.reserve_each([charges])
        return answer

    async def reserve_each(self, questions: Sequence[Sequence[Charge]]) -> list[Granted | Refused]:
        self.asked.append([charges[0].limit.holder for charges in questions])
        answers = [self.counts.at_once(charges) for charges in questions]
        self.answered.set()
        await asyncio.sleep(0)
        await self.may_come.wait()
        return answers

    def settle(self, granted: Granted, used: Used) -> None:
        self.counts.settle(granted, used)

    def undo(self, granted: Granted) -> None:
        self.counts.undo(granted)


def limit(unit: Unit = Unit.TOKENS, most: int = 100, span: Span | None = None, **more: Any) -> Limit:
    more = {"holder": "ModelRoute/default/chat", "name": f"{unit}-{span}"} | more
    return Limit(unit=unit, most=most, span=span, **more)


def now(answer: Coroutine[Any, Any, Granted | Refused]) -> Granted | Refused:
    """An answer for which nothing has to be waited for."""
    with pytest.raises(StopIteration) as ended:
        answer.send(None)
    given: Granted | Refused = ended.value.value
    return given


def take(store: LocalStore, *charges: tuple[Limit, int]) -> Granted:
    answer = now(store.reserve([Charge(*charge) for charge in charges]))
    assert isinstance(answer, Granted)
    return answer


def refused(store: LocalStore, *charges: tuple[Limit, int]) -> Refused:
    answer = now(store.reserve([Charge(*charge) for charge in charges]))
    assert isinstance(answer, Refused)
    assert not answer.away
    return answer


def left(store: LocalStore, asked: Limit) -> int:
    (level,) = now(store.reserve([Charge(asked, 0)])).levels
    return level.remaining
