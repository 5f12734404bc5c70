"""When a breaker opens, what it lets through, and what closes it."""

import pytest

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.resilience.breaker import Breaker, State, Verdict

GOOD, BAD, NONE = Verdict
CLOSED, OPEN, HALF_OPEN = State
START = 1000.0
FOREVER = 1e9


class Told:
    """A breaker under test, and all that it has told."""

    def __init__(self, **policy: int) -> None:
        self.told: list[tuple[State, bool]] = []
        self.breaker = Breaker(CircuitBreaker(**policy), lambda state, by_hand: self.told.append((state, by_hand)))

    def ends(self, *verdicts: Verdict, at: float = START) -> State | None:
        """Requests that come and end one after the other; what the last of them has changed."""
        changed = None
        for verdict in verdicts:
            entered = self.breaker.enter(at)
            assert entered
            changed = self.breaker.leave(verdict, at, entered)
        return changed


def opened(at: float = START, **policy: int) -> Told:
    one = Told(failure_threshold=1, **policy)
    assert one.ends(BAD, at=at) is OPEN
    one.told.clear()
    return one


def test_times_may_begin_with_nothing() -> None:
    breaker = opened(at=0.0, open_seconds=30, half_open_requests=1).breaker
    assert breaker.enter(30.0)
    assert breaker.wait(30.0) == 30.0


def test_a_new_breaker_lets_everybody_through() -> None:
    breaker = Breaker(CircuitBreaker())
    assert breaker.state(START) is CLOSED
    assert breaker.at_rest
    assert not breaker.by_hand(START)
    assert (breaker.wait(START), breaker.left(START), breaker.failures(START), breaker.opened) == (0.0, 0.0, 0, 0)
    assert all(breaker.enter(START) for _ in range(100))


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_it_opens_at_the_threshold_and_not_before(threshold: int) -> None:
    one = Told(failure_threshold=threshold)
    assert one.ends(*[BAD] * (threshold - 1)) is None
    assert one.breaker.state(START) is CLOSED
    assert one.breaker.failures(START) == threshold - 1
    assert one.told == []
    assert one.ends(BAD) is OPEN
    assert one.breaker.state(START) is OPEN
    assert one.breaker.failures(START) == threshold
    assert not one.breaker.at_rest
    assert one.told == [(OPEN, False)]
    assert one.breaker.opened == 1


@pytest.mark.parametrize(("good", "state"), [(45, CLOSED), (44, CLOSED), (0, CLOSED)])
def test_good_answers_open_nothing(good: int, state: State) -> None:
    one = Told(failure_threshold=5)
    one.ends(*[BAD] * 4, *[GOOD] * good, GOOD)
    assert one.breaker.state(START) is state


@pytest.mark.parametrize(("good", "state"), [(45, OPEN), (46, CLOSED)])
def test_failures_must_also_be_a_tenth(good: int, state: State) -> None:
    one = Told(failure_threshold=5)
    one.ends(*[GOOD] * good, *[BAD] * 5)
    assert one.breaker.state(START) is state


def test_it_opens_as_soon_as_failures_are_a_tenth() -> None:
    one = Told(failure_threshold=5)
    one.ends(*[GOOD] * 55, *[BAD] * 6)
    assert one.breaker.state(START) is CLOSED  # 6 of 61
    assert one.ends(BAD) is OPEN  # 7 of 62


def test_no_verdict_counts_for_nothing() -> None:
    one = Told(failure_threshold=2)
    assert one.ends(BAD, *[NONE] * 100) is None
    assert one.breaker.failures(START) == 1
    assert one.ends(BAD) is OPEN


@pytest.mark.parametrize(("later", "state"), [(59.999, OPEN), (60.0, CLOSED)])
def test_failures_count_within_the_window(later: float, state: State) -> None:
    one = Told(failure_threshold=2, window_seconds=60)
    one.ends(BAD)
    one.ends(BAD, at=START + later)
    assert one.breaker.state(START + later) is state


def test_an_open_breaker_lets_nobody_through_until_its_time_is_up() -> None:
    breaker = opened(open_seconds=30).breaker
    assert (breaker.wait(START), breaker.left(START), breaker.enter(START)) == (30.0, 30.0, 0)
    assert (breaker.wait(START + 29), breaker.left(START + 29), breaker.enter(START + 29)) == (1.0, 1.0, 0)
    assert breaker.state(START + 29.999) is OPEN
    assert breaker.state(START + 30) is HALF_OPEN
    assert (breaker.wait(START + 30), breaker.left(START + 30)) == (0.0, 0.0)
    assert (breaker.wait(START + 31), breaker.left(START + 31)) == (0.0, 0.0)
    assert breaker.enter(START + 30)


def test_reading_changes_nothing() -> None:
    one = opened(open_seconds=30)
    breaker = one.breaker
    for at in (START, START + 30, START + 300):
        breaker.state(at), breaker.wait(at), breaker.left(at), breaker.failures(at), breaker.by_hand(at)
    assert breaker.state(START) is OPEN
    assert one.told == []


@pytest.mark.parametrize("probes", [1, 2, 3])
def test_half_open_it_lets_few_through(probes: int) -> None:
    one = opened(open_seconds=30, half_open_requests=probes)
    now = START + 30
    for _ in range(probes):
        assert one.breaker.wait(now) == 0.0
        assert one.breaker.enter(now)
    assert one.breaker.enter(now) == 0
    assert one.breaker.wait(now) == 30.0
    assert one.told == [(HALF_OPEN, False)]


@pytest.mark.parametrize("probes", [1, 2, 3])
def test_all_probes_must_end_well_to_close_it(probes: int) -> None:
    one = opened(open_seconds=30, half_open_requests=probes)
    now = START + 30
    assert one.ends(*[GOOD] * (probes - 1), at=now) is None
    assert one.breaker.state(now) is HALF_OPEN
    assert one.ends(GOOD, at=now) is CLOSED
    assert one.breaker.state(now) is CLOSED
    assert one.breaker.at_rest
    assert one.told == [(HALF_OPEN, False), (CLOSED, False)]


@pytest.mark.parametrize(("good", "places"), [(0, 4), (1, 3), (2, 2), (3, 1)])
def test_good_probes_keep_their_places(good: int, places: int) -> None:
    one = opened(open_seconds=30, half_open_requests=4)
    one.ends(*[GOOD] * good, at=START + 30)
    assert all(one.breaker.enter(START + 30) for _ in range(places))
    assert one.breaker.enter(START + 30) == 0


def test_with_fewer_probes_wanted_the_next_good_one_closes_it() -> None:
    one = opened(open_seconds=30, half_open_requests=3)
    one.ends(GOOD, GOOD, at=START + 30)
    one.breaker.policy = CircuitBreaker(half_open_requests=1)
    assert one.ends(GOOD, at=START + 60) is CLOSED


def test_waits_are_right_from_the_first_second() -> None:
    one = opened(at=2.0, open_seconds=30)
    assert (one.breaker.wait(5.0), one.breaker.left(5.0)) == (27.0, 27.0)
    one.breaker.open(20.0)
    assert (one.breaker.wait(3.0), one.breaker.left(3.0)) == (17.0, 17.0)
    assert one.breaker.enter(32.0)
    assert one.breaker.wait(33.0) == 29.0


def test_one_bad_probe_opens_it_again() -> None:
    one = opened(open_seconds=30, half_open_requests=3)
    assert one.ends(GOOD, GOOD, BAD, at=START + 40) is OPEN
    assert one.breaker.wait(START + 40) == 30.0
    assert one.breaker.opened == 2
    assert one.told == [(HALF_OPEN, False), (OPEN, False)]
    assert one.ends(GOOD, GOOD, at=START + 70) is None  # those before have no say any more
    assert one.ends(GOOD, at=START + 70) is CLOSED


def test_a_probe_without_a_verdict_gives_its_place_back() -> None:
    one = opened(open_seconds=30)
    assert one.ends(*[NONE] * 5, at=START + 30) is None
    assert one.breaker.state(START + 30) is HALF_OPEN
    assert one.breaker.wait(START + 30) == 0.0


def test_a_probe_that_does_not_end_keeps_others_away_for_a_while_only() -> None:
    one = opened(open_seconds=30)
    now = START + 45
    slow = one.breaker.enter(now)
    assert one.breaker.wait(now + 10) == 20.0
    assert one.breaker.enter(now + 29.999) == 0
    assert (one.breaker.wait(now + 30), one.breaker.wait(now + 300)) == (0.0, 0.0)
    again = one.breaker.enter(now + 30)
    assert one.breaker.enter(now + 30) == 0
    assert one.breaker.wait(now + 31) == 29.0
    assert one.breaker.leave(GOOD, now + 31, slow) is CLOSED
    assert one.breaker.leave(BAD, now + 31, again) is None


def test_after_closing_it_counts_from_nothing() -> None:
    one = Told(failure_threshold=2, open_seconds=1)
    one.ends(BAD, BAD)
    assert one.ends(GOOD, at=START + 1) is CLOSED
    assert one.breaker.failures(START + 1) == 0
    assert one.ends(BAD, at=START + 1) is None
    assert one.ends(BAD, at=START + 1) is OPEN


@pytest.mark.parametrize("verdict", [GOOD, BAD])
def test_who_was_let_in_before_has_no_say(verdict: Verdict) -> None:
    one = Told(failure_threshold=1, open_seconds=30)
    before = [one.breaker.enter(START) for _ in range(3)]
    one.ends(BAD)
    assert one.breaker.leave(verdict, START + 1, before[0]) is None
    assert one.breaker.wait(START + 1) == 29.0
    assert one.breaker.leave(verdict, START + 30, before[1]) is None
    assert one.breaker.state(START + 30) is HALF_OPEN
    assert one.breaker.enter(START + 30)
    assert one.breaker.leave(verdict, START + 30, before[2]) is None
    assert one.breaker.enter(START + 30) == 0  # the place is still taken
    assert one.breaker.failures(START + 30) == 1
    assert one.breaker.opened == 1


def test_a_hint_lets_a_probe_decide() -> None:
    one = Told(failure_threshold=5, open_seconds=30)
    one.breaker.suspect(START)
    assert one.breaker.state(START) is HALF_OPEN
    assert one.breaker.left(START) == 0.0
    assert not one.breaker.is_doubtful(START)
    entered = one.breaker.enter(START)
    assert one.breaker.is_doubtful(START)
    assert not one.breaker.is_doubtful(START + 30)  # the probe has had its time: another one may begin
    assert one.breaker.leave(BAD, START, entered) is OPEN
    assert not one.breaker.is_doubtful(START)
    assert one.told == [(HALF_OPEN, False), (OPEN, False)]


def test_a_hint_keeps_nobody_away_and_who_comes_beside_the_probe_has_no_say() -> None:
    one = Told(failure_threshold=5, open_seconds=30)
    one.breaker.suspect(START)
    probe, beside = one.breaker.enter(START), one.breaker.enter(START)
    assert probe
    assert beside
    assert one.breaker.wait(START) == 0.0
    assert one.breaker.leave(BAD, START, beside) is None
    assert one.breaker.leave(GOOD, START, probe) is CLOSED
    assert not one.breaker.is_doubtful(START)


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_hand_ends_what_a_hint_has_begun(end: str) -> None:
    one = opened(open_seconds=30)
    one.breaker.reset(START)
    one.breaker.suspect(START)
    one.breaker.enter(START)
    getattr(one.breaker, end)(START + 1)
    assert not one.breaker.is_doubtful(START)
    assert one.breaker.state(START + 1) is CLOSED


def test_a_breaker_that_opened_itself_keeps_all_but_its_probes_away() -> None:
    one = opened(open_seconds=30)
    assert one.breaker.enter(START + 30)
    assert one.breaker.enter(START + 30) == 0
    assert not one.breaker.is_doubtful(START + 30)


def test_a_hint_changes_only_what_is_closed() -> None:
    one = opened(open_seconds=30)
    one.breaker.suspect(START + 1)
    assert one.breaker.state(START + 1) is OPEN
    one.breaker.suspect(START + 30)
    entered = one.breaker.enter(START + 30)
    one.breaker.suspect(START + 30)
    assert one.breaker.enter(START + 30) == 0
    assert one.breaker.leave(GOOD, START + 30, entered) is CLOSED
    assert one.told == [(HALF_OPEN, False), (CLOSED, False)]


@pytest.mark.parametrize("until", ["open", "close"])
def test_a_hint_does_not_overrule_a_hand_until_its_time_is_up(until: str) -> None:
    one = Told()
    getattr(one.breaker, until)(START + 10)
    one.breaker.suspect(START + 9.999)
    assert one.breaker.state(START + 10) is CLOSED
    one.breaker.suspect(START + 10)
    assert one.breaker.state(START + 10) is HALF_OPEN


def test_another_policy_holds_from_then_on() -> None:
    one = Told(failure_threshold=5, open_seconds=30)
    one.ends(BAD, BAD)
    one.breaker.policy = CircuitBreaker(failure_threshold=3, open_seconds=10)
    assert one.breaker.policy.failure_threshold == 3
    assert one.ends(BAD) is OPEN
    assert one.breaker.wait(START) == 10.0


@pytest.mark.parametrize(("seconds", "failures"), [("600", 2), ("599", 0), ("601", 0)])
def test_another_window_counts_from_nothing(seconds: str, failures: int) -> None:
    one = Told(failure_threshold=5, window_seconds=int("600"))
    one.ends(BAD, BAD)
    one.breaker.policy = CircuitBreaker(window_seconds=int(seconds))
    assert one.breaker.failures(START) == failures
    now = START + 1000
    one.ends(BAD, at=now)
    assert one.breaker.failures(now + int(seconds) - 10) == 1
    assert one.breaker.failures(now + int(seconds)) == 0
