"""Counting in memory, against a model that keeps every request in mind."""

import math
from collections import Counter
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.limits.contract import Charge, Granted, Limit, Unit, Used
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.limits.windows import bounds
from tests.support.limits import NOON, Wall, left, limit, now

LIMITS = (
    limit(Unit.REQUESTS, 4, "minute"),
    limit(Unit.TOKENS, 60, "minute", consumer="ada"),
    limit(Unit.TOKENS, 100, "hour"),
    limit(Unit.TOKENS, 120),
    limit(Unit.REQUESTS, 6),
    limit(Unit.PLACES, 3),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.sets(st.sampled_from(LIMITS), min_size=1), st.integers(0, 70)),
        st.tuples(st.just("settle"), st.integers(0, 20), st.integers(0, 90)),
        st.tuples(st.just("wait"), st.sampled_from([1, 2, 7, 40, 120, 240, 14_400]), st.none()),
    ),
    max_size=60,
)


class Request:
    """What a request has taken, of each limit, and when; of buckets, how often they had been full before."""

    def __init__(self, charges: list[Charge], at: float) -> None:
        self.at = at
        self.reserved = dict(charges)
        self.taken = dict(charges)
        self.fillings: dict[Limit, int] = {}
        self.under_way = True


class Model:
    """Keeps every request in mind, and buckets in fractions."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.buckets: dict[Limit, Fraction] = {}
        self.fillings: Counter[Limit] = Counter()
        self.under_way_at_last: dict[Limit, list[Request]] = {}
        self.wall = NOON

    def used(self, asked: Limit) -> Fraction:
        if asked.unit is not Unit.PLACES and asked.span is None:
            return self.buckets.get(asked, Fraction(0))
        since = bounds(asked.span, asked.zone, self.wall)[0] if asked.span else -math.inf
        return Fraction(sum(one.taken.get(asked, 0) for one in self.requests if one.at >= since))

    def has_room(self, charges: list[Charge]) -> bool:
        return all(self.used(asked) + amount <= asked.most for asked, amount in charges)

    def take(self, charges: list[Charge]) -> Request:
        request = Request(charges, self.wall)
        for asked, amount in charges:
            self._take(asked, amount)
            request.fillings[asked] = self.fillings[asked]
            self.under_way_at_last[asked] = [request, *(one for one in self.requests if one.under_way)]
        self.requests.append(request)
        return request

    def settle(self, request: Request, used: int) -> None:
        request.under_way = False
        for asked, amount in request.reserved.items():
            if asked.unit is Unit.TOKENS:
                request.taken[asked] = used
                if used > amount or self.fillings[asked] == request.fillings[asked]:
                    self._take(asked, used - amount)
            elif asked.unit is Unit.PLACES:
                request.taken[asked] = 0

    def wait(self, quarters: int) -> None:
        self.wall += quarters / 4
        for asked in self.buckets:
            self._add(asked, -Fraction(quarters, 4) * asked.most / 60)

    def _take(self, asked: Limit, amount: int) -> None:
        if asked.unit is not Unit.PLACES and asked.span is None:
            self.fillings[asked] += not self.used(asked)
            self._add(asked, amount)

    def _add(self, asked: Limit, amount: int | Fraction) -> None:
        self.buckets[asked] = max(Fraction(0), self.buckets.get(asked, Fraction(0)) + amount)

    def overshoot_is_the_error_of_estimates_under_way(self, asked: Limit) -> bool:
        """Of those that were when the last one was let in."""
        others = self.under_way_at_last.get(asked, ())
        errors = sum(max(0, one.taken[asked] - one.reserved[asked]) for one in others if asked in one.taken)
        return self.used(asked) <= asked.most + errors


@given(STEPS)
def test_counts_are_those_of_a_model_that_keeps_every_request_in_mind(steps: list[tuple[str, Any, Any]]) -> None:
    wall, model, under_way = Wall(), Model(), list[tuple[Granted, Request]]()
    store = LocalStore(wall)
    for step, what, amount in steps:
        if step == "reserve":
            charges = [Charge(asked, amount if asked.unit is Unit.TOKENS else 1) for asked in LIMITS if asked in what]
            has_room, answer = model.has_room(charges), now(store.reserve(charges))
            assert isinstance(answer, Granted) == has_room
            if isinstance(answer, Granted):
                under_way.append((answer, model.take(charges)))
            assert [level.remaining for level in answer.levels] == [
                max(0, math.floor(asked.most - model.used(asked))) for asked, _ in charges
            ]
        elif step == "settle" and under_way:
            granted, request = under_way.pop(what % len(under_way))
            store.settle(granted, Used(amount))
            model.settle(request, amount)
        elif step == "wait":
            model.wait(what)
            wall.now = model.wall
        assert all(map(model.overshoot_is_the_error_of_estimates_under_way, LIMITS))
    for granted, _ in under_way:
        store.settle(granted, Used(0))
    assert left(store, LIMITS[-1]) == LIMITS[-1].most
