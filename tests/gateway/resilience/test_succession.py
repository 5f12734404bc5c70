"""Who is asked next: another first, then who was full, the same again last."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

import pytest

from sluice_config.resources.provider_policy import Retry
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.resilience.retries import RetryBudgets
from sluice_gateway.resilience.succession import PASSING, Succession

START = 1000.0
FAILED, TIMEOUT, RATE_LIMITED = FaultKind.FAILED, FaultKind.TIMEOUT, FaultKind.RATE_LIMITED


@dataclass(frozen=True)
class Provider:
    resource: str
    retry: Retry = field(default_factory=Retry)


@dataclass(frozen=True)
class Target:
    provider: Provider


class Candidate:
    """Stands for a target by its name alone."""

    def __init__(self, name: str, provider: str = "", **retry: int) -> None:
        self.name = name
        self.target = Target(Provider(f"default/{provider or name}", Retry(**retry)))


class Way:
    """A succession under test, at a time that only the test moves."""

    def __init__(
        self, *candidates: Candidate, deadline: float = math.inf, chances: Iterator[float] | None = None
    ) -> None:
        chances = chances or repeat(1.0)
        self.budgets = RetryBudgets()
        self.now = START
        self.candidates = {candidate.name: candidate for candidate in candidates}
        self.succession = Succession(candidates, budgets=self.budgets, deadline=deadline, chance=lambda: next(chances))

    def next(self) -> tuple[str, float, bool] | None:
        turn = self.succession.next(self.now)
        return None if turn is None else (turn.candidate.name, turn.wait, turn.queue)

    def failed(self, name: str, kind: FaultKind = FAILED, retry_after: float | None = None) -> None:
        self.succession.failed(self.candidates[name], kind, retry_after, self.now)

    def full(self, name: str, wait: float = 1.0) -> None:
        self.succession.full(self.candidates[name], wait)

    def all_fail(self, kind: FaultKind = FAILED) -> list[tuple[str, float, bool]]:
        """Everybody fails at once; the clock goes along with the waits."""
        turns = []
        while turn := self.next():
            turns.append(turn)
            self.now += turn[1]
            self.failed(turn[0], kind)
        return turns


def test_without_candidates_nobody_is_next() -> None:
    assert Way().next() is None


def test_each_is_asked_once_in_order_at_once() -> None:
    way = Way(Candidate("a"), Candidate("b"), Candidate("c"))
    assert [way.next() for _ in range(5)] == [("a", 0.0, False), ("b", 0.0, False), ("c", 0.0, False), None, None]


def test_another_comes_before_the_same_again() -> None:
    way = Way(Candidate("a"), Candidate("b"), chances=repeat(0.0))
    assert way.next() == ("a", 0.0, False)
    way.failed("a")
    assert way.next() == ("b", 0.0, False)
    way.failed("b", FaultKind.KEY_REFUSED)
    assert way.next() == ("a", 0.0, True)


@pytest.mark.parametrize("retries", [0, 1, 2, 3])
def test_it_is_retried_as_often_as_its_policy_says(retries: int) -> None:
    way = Way(Candidate("a", max_retries=retries))
    assert way.all_fail() == [("a", 0.0, False), ("a", 1.0, True), ("a", 2.0, True), ("a", 4.0, True)][: retries + 1]


def test_each_goes_by_its_own_policy() -> None:
    way = Way(
        Candidate("a", max_retries=1, base_delay_milliseconds=3000),
        Candidate("b", max_retries=2, base_delay_milliseconds=100),
    )
    assert way.all_fail() == [
        ("a", 0.0, False),
        ("b", 0.0, False),
        ("b", pytest.approx(0.1), True),
        ("b", pytest.approx(0.2), True),
        ("a", pytest.approx(2.7), True),
    ]


@pytest.mark.parametrize("kind", FaultKind)
def test_only_what_may_pass_is_retried(kind: FaultKind) -> None:
    way = Way(Candidate("a"), chances=repeat(0.0))
    way.next()
    way.failed("a", kind)
    assert (way.next() is not None) == (kind in PASSING) == (kind in {"failed", "timeout", "rate_limited"})


def test_the_soonest_is_retried_first() -> None:
    way = Way(Candidate("a"), Candidate("b"), Candidate("c"), chances=iter([0.5, 0.25, 0.5]))
    for name in "abc":
        way.next()
        way.failed(name)
    assert [way.next() for _ in range(4)] == [("b", 0.25, True), ("a", 0.5, True), ("c", 0.5, True), None]


def test_the_wait_counts_from_the_failure() -> None:
    way = Way(Candidate("a"), Candidate("b"))
    way.next()
    way.failed("a", RATE_LIMITED, retry_after=4.0)
    way.next()
    way.now += 2.0
    way.failed("b", FaultKind.NO_CREDIT)
    assert way.next() == ("a", 3.0, True)


def test_who_has_waited_long_enough_is_asked_at_once() -> None:
    way = Way(Candidate("a"), Candidate("b"))
    way.next()
    way.failed("a")
    way.next()
    way.now += 1.5
    way.failed("b", FaultKind.NO_CREDIT)
    assert way.next() == ("a", 0.0, True)


def test_nothing_begins_at_the_deadline() -> None:
    for left, turn in ((0.001, ("a", 0.0, False)), (0.0, None), (-1.0, None)):
        assert Way(Candidate("a"), deadline=START + left).next() == turn
        full = Way(Candidate("a"), deadline=START + 10)
        full.next()
        full.full("a")
        full.now = START + 10 - left
        assert (full.next() is not None) == (turn is not None)


@pytest.mark.parametrize(("left", "turn"), [(1.0, None), (1.001, ("a", 1.0, True))])
def test_a_retry_must_begin_before_the_deadline(left: float, turn: tuple[str, float, bool] | None) -> None:
    way = Way(Candidate("a"), deadline=START + left)
    way.next()
    way.failed("a")
    assert way.next() == turn


def test_a_retry_that_is_asked_for_too_late_is_not_made_and_costs_nothing() -> None:
    way = Way(Candidate("a"), Candidate("b"), deadline=START + 5)
    way.next()
    way.failed("a", RATE_LIMITED, retry_after=60.0)
    way.next()
    way.failed("b", RATE_LIMITED, retry_after=2.0)
    assert way.next() == ("b", 3.0, True)
    assert way.next() is None
    budget = way.budgets.of("default/a", Retry())
    assert [budget.may_retry(START), budget._requests.all(START)] == [True, 1]


def test_who_was_full_comes_back_after_all_others_and_may_queue() -> None:
    way = Way(Candidate("a"), Candidate("b"), chances=repeat(0.0))
    way.next()
    way.full("a")
    assert way.next() == ("b", 0.0, False)
    way.failed("b")
    assert way.next() == ("a", 0.0, True)
    way.failed("a", FaultKind.NO_CREDIT)
    assert way.next() == ("b", 0.0, True)


def test_of_those_that_were_full_the_shortest_wait_comes_first() -> None:
    way = Way(*map(Candidate, "abcd"))
    for name, wait in zip("abcd", (3.0, 1.0, 2.0, 1.0), strict=True):
        way.next()
        way.full(name, wait)
    assert [way.next() for _ in range(5)] == [
        ("b", 0.0, True),
        ("d", 0.0, True),
        ("c", 0.0, True),
        ("a", 0.0, True),
        None,
    ]


def test_who_is_full_again_does_not_come_back() -> None:
    way = Way(Candidate("a"), Candidate("b"), chances=repeat(0.0))
    way.next()
    way.full("a")
    way.next()
    way.failed("b")
    assert way.next() == ("a", 0.0, True)
    way.full("a")
    assert way.next() == ("b", 0.0, True)
    way.full("b")
    assert way.next() is None


def test_who_was_full_and_then_fails_is_retried() -> None:
    way = Way(Candidate("a", max_retries=1))
    way.next()
    way.full("a")
    assert way.next() == ("a", 0.0, True)
    way.failed("a")
    assert way.next() == ("a", 1.0, True)
    way.failed("a")
    assert way.next() is None


def test_who_was_refused_does_not_come_back() -> None:
    way = Way(Candidate("a"), Candidate("b"), chances=repeat(0.0))
    way.next()
    way.succession.refused(way.candidates["a"])
    assert way.next() == ("b", 0.0, False)
    way.failed("b")
    assert way.next() == ("b", 0.0, True)
    way.succession.refused(way.candidates["b"])
    assert way.next() is None


def test_retries_keep_to_their_providers_budget() -> None:
    way = Way(Candidate("a", "one", max_retries=5), Candidate("b", "one", max_retries=5), Candidate("c", max_retries=5))
    asked = [name for name, _, _ in way.all_fail()]
    assert asked[:3] == ["a", "b", "c"]
    assert len([name for name in asked[3:] if name in "ab"]) == 3  # of one provider
    assert asked[3:].count("c") == 3


def test_a_spent_budget_leaves_the_others_theirs() -> None:
    way = Way(Candidate("a", budget_percent=0), Candidate("b"), chances=iter([0.0, 1.0]))
    way.next()
    way.failed("a")
    way.next()
    way.failed("b")
    assert way.next() == ("b", 1.0, True)
    assert way.next() is None


def test_first_tries_feed_the_budget_and_retries_use_it_up() -> None:
    way = Way(*(Candidate(str(number), "one") for number in range(20)), chances=repeat(0.0))
    asked = [name for name, _, _ in way.all_fail()]
    assert len(asked) == 20 + 4  # a fifth of 20, above the least
    budget = way.budgets.of("default/one", Retry())
    assert (budget._requests.all(START), budget._requests.marked(START)) == (24, 4)


def test_turns_of_those_that_may_queue_are_no_requests_of_their_own() -> None:
    way = Way(Candidate("a"))
    way.next()
    way.full("a")
    way.next()
    assert way.budgets.of("default/a", Retry())._requests.all(START) == 1


def test_chance_is_asked_only_for_a_retry() -> None:
    way = Way(Candidate("a", max_retries=0), Candidate("b"), chances=iter([]))
    way.next()
    way.failed("a")
    way.next()
    way.failed("b", FaultKind.MODEL_NOT_OFFERED)
    assert way.next() is None
