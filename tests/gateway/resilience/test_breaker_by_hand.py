"""What somebody sets by hand holds for a stated time."""

import pytest

from sluice_gateway.resilience.breaker import State, Verdict
from tests.gateway.resilience.test_breaker import BAD, CLOSED, GOOD, HALF_OPEN, OPEN, START, Told, opened


@pytest.mark.parametrize("after", [20.0, 20.001, 500.0])
def test_opened_by_hand_it_lets_nobody_through_until_then(after: float) -> None:
    one = Told()
    one.breaker.open(START + 20)
    assert one.told == [(OPEN, True)]
    assert one.breaker.state(START) is OPEN
    assert one.breaker.by_hand(START + 19.999)
    assert (one.breaker.enter(START), one.breaker.wait(START), one.breaker.left(START)) == (0, 20.0, 20.0)
    assert one.breaker.state(START + 19.999) is OPEN
    assert one.breaker.state(START + after) is CLOSED
    assert not one.breaker.by_hand(START + after)
    assert (one.breaker.wait(START + after), one.breaker.left(START + after)) == (0.0, 0.0)
    assert one.told == [(OPEN, True)]
    assert one.breaker.enter(START + after)
    assert one.told == [(OPEN, True), (CLOSED, False)]
    assert one.breaker.at_rest
    assert one.breaker.opened == 0


def test_after_an_opening_by_hand_it_is_as_it_was() -> None:
    one = opened(open_seconds=30)
    one.breaker.open(START + 10)
    assert one.breaker.wait(START) == 10.0
    assert one.breaker.wait(START + 10) == 20.0
    assert one.breaker.left(START + 10) == 20.0
    assert one.breaker.enter(START + 10) == 0
    assert one.told == [(OPEN, True), (OPEN, False)]
    one.breaker.open(START + 40)
    assert one.breaker.state(START + 35) is OPEN
    assert one.breaker.state(START + 40) is HALF_OPEN
    assert one.breaker.enter(START + 40)
    assert one.told == [(OPEN, True), (OPEN, False), (OPEN, True), (OPEN, False), (HALF_OPEN, False)]


def test_closed_by_hand_everybody_gets_through() -> None:
    one = opened(open_seconds=30)
    one.breaker.close(START + 10)
    assert one.told == [(CLOSED, True)]
    assert one.breaker.state(START) is CLOSED
    assert one.breaker.by_hand(START)
    assert not one.breaker.at_rest
    assert (one.breaker.wait(START), one.breaker.left(START)) == (0.0, 10.0)
    assert one.ends(*[BAD] * 10) is None
    assert one.breaker.state(START + 9.999) is CLOSED
    assert one.breaker.state(START + 10) is CLOSED  # and what failed meanwhile counts for nothing
    assert one.breaker.failures(START + 10) == 0
    assert one.ends(BAD, at=START + 10) is OPEN
    assert one.told == [(CLOSED, True), (CLOSED, False), (OPEN, False)]


@pytest.mark.parametrize("verdict", [GOOD, BAD])
@pytest.mark.parametrize("how", ["open", "close", "reset"])
def test_who_was_let_in_before_a_hand_has_no_say(how: str, verdict: Verdict) -> None:
    one = Told(failure_threshold=1)
    during, after = one.breaker.enter(START), one.breaker.enter(START)
    getattr(one.breaker, how)(START + 10)
    assert one.breaker.leave(verdict, START + 5, during) is None
    assert one.breaker.leave(verdict, START + 10, after) is None
    assert one.breaker.state(START + 10) is CLOSED
    assert one.breaker.failures(START + 10) == 0


def test_who_was_let_in_by_hand_has_no_say_after_it() -> None:
    one = Told(failure_threshold=1)
    one.breaker.close(START + 10)
    entered = one.breaker.enter(START)
    assert one.breaker.leave(BAD, START + 10, entered) is None
    assert one.breaker.state(START + 10) is CLOSED


@pytest.mark.parametrize("good", [0, 1])
def test_after_an_opening_by_hand_probes_begin_anew(good: int) -> None:
    one = opened(open_seconds=30, half_open_requests=2)
    now = START + 30
    one.ends(*[GOOD] * good, at=now)
    one.breaker.enter(now)
    one.breaker.open(now + 1)
    assert one.breaker.state(now + 1) is HALF_OPEN
    first, second = one.breaker.enter(now + 1), one.breaker.enter(now + 1)
    assert one.breaker.enter(now + 1) == 0
    assert one.breaker.leave(GOOD, now + 1, first) is None
    assert one.breaker.leave(GOOD, now + 1, second) is CLOSED


def test_the_last_hand_counts() -> None:
    one = Told()
    one.breaker.open(START + 10)
    one.breaker.close(START + 5)
    assert (one.breaker.state(START), one.breaker.left(START)) == (CLOSED, 5.0)
    one.breaker.open(START + 3)
    assert (one.breaker.state(START), one.breaker.left(START)) == (OPEN, 3.0)
    assert one.breaker.state(START + 3) is CLOSED
    assert one.told == [(OPEN, True), (CLOSED, True), (OPEN, True)]


def test_a_reset_forgets_everything() -> None:
    one = Told(failure_threshold=2, open_seconds=30)
    one.ends(BAD, BAD)
    one.told.clear()
    one.breaker.reset(START)
    assert one.breaker.state(START) is CLOSED
    assert not one.breaker.by_hand(START)
    assert one.breaker.at_rest
    assert one.told == [(CLOSED, True)]
    assert one.breaker.failures(START) == 0
    assert one.ends(BAD) is None
    assert one.breaker.opened == 1


@pytest.mark.parametrize(("how", "told"), [("open", [(CLOSED, True)]), ("close", [])])
def test_a_reset_takes_a_hand_back(how: str, told: list[tuple[State, bool]]) -> None:
    one = Told()
    getattr(one.breaker, how)(START + 10)
    one.told.clear()
    one.breaker.reset(START + 1)
    assert not one.breaker.by_hand(START + 1)
    assert one.breaker.at_rest
    assert one.breaker.enter(START + 1)
    assert one.told == told


def test_a_reset_of_what_is_closed_is_no_news() -> None:
    one = Told(failure_threshold=2)
    one.ends(BAD)
    one.breaker.reset(START)
    assert one.told == []
    assert one.ends(BAD) is None


def test_a_reset_while_probes_are_under_way_frees_their_places() -> None:
    one = opened(open_seconds=30)
    entered = one.breaker.enter(START + 30)
    one.breaker.reset(START + 30)
    one.breaker.suspect(START + 30)
    assert one.breaker.enter(START + 30)
    assert one.breaker.leave(BAD, START + 30, entered) is None
    assert one.breaker.state(START + 30) is HALF_OPEN
