"""All breakers of a process, and what counts for them."""

import pytest

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.errors import ProviderError, UpstreamTimedOut
from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.resilience.breaker import Breaker, State, Verdict
from sluice_gateway.resilience.breakers import MOST_BREAKERS, Breakers, Described, verdict_of
from sluice_gateway.telemetry.record import LEFT
from sluice_gateway.telemetry.target_figures import SERVED

POLICY = CircuitBreaker(failure_threshold=1, open_seconds=30)
AZURE, OPENAI = "default/azure", "default/openai"
START = 1000.0


def fails(breakers: Breakers, provider: str, model: str, policy: CircuitBreaker = POLICY) -> None:
    breaker = breakers.of(provider, model, policy)
    breaker.leave(Verdict.BAD, START, breaker.enter(START))


def test_each_target_has_one_breaker() -> None:
    breakers = Breakers()
    one = breakers.of(OPENAI, "gpt-5", POLICY)
    assert breakers.of(OPENAI, "gpt-5", POLICY) is one
    assert breakers.find(OPENAI, "gpt-5") is one
    assert breakers.of(OPENAI, "gpt-4o", POLICY) is not one
    assert breakers.of(AZURE, "gpt-5", POLICY) is not one
    assert breakers.find(AZURE, "gpt-4o") is None


def test_a_breaker_goes_by_the_latest_policy() -> None:
    breakers = Breakers()
    one = breakers.of(OPENAI, "gpt-5", POLICY)
    assert one.policy is POLICY
    other = CircuitBreaker(failure_threshold=7)
    assert breakers.of(OPENAI, "gpt-5", other) is one
    assert one.policy is other


def test_all_are_described_in_order() -> None:
    breakers = Breakers()
    fails(breakers, OPENAI, "gpt-5")
    fails(breakers, OPENAI, "gpt-4o", CircuitBreaker())
    breakers.of(AZURE, "gpt-5", POLICY).open(START + 20)
    assert breakers.all(START + 5) == [
        Described(AZURE, "gpt-5", State.OPEN, 15.0, True, 0, 0),
        Described(OPENAI, "gpt-4o", State.CLOSED, 0.0, False, 1, 0),
        Described(OPENAI, "gpt-5", State.OPEN, 25.0, False, 1, 1),
    ]
    assert [one.state for one in breakers.all(START + 30)] == [State.CLOSED, State.CLOSED, State.HALF_OPEN]


def test_observers_hear_of_every_change() -> None:
    breakers = Breakers()
    first: list[tuple[str, str, State, bool]] = []
    second: list[tuple[str, str, State, bool]] = []
    fails(breakers, AZURE, "gpt-4o")
    breakers.observers.append(lambda *change: first.append(change))
    breakers.observers.append(lambda *change: second.append(change))
    fails(breakers, OPENAI, "gpt-5")
    breakers.of(AZURE, "gpt-5", POLICY).close(START + 1)
    assert first == [(OPENAI, "gpt-5", State.OPEN, False), (AZURE, "gpt-5", State.CLOSED, True)]
    assert second == first


def test_a_new_breaker_is_prepared_before_anybody_hears_of_it() -> None:
    breakers, told, seen = Breakers(), [], []

    def prepare(provider: str, model: str, breaker: Breaker) -> None:
        seen.append((provider, model))
        breaker.open(START + 5)

    breakers.observers.append(lambda *change: told.append(change))
    breakers.preparers.append(prepare)
    for _ in range(2):
        assert breakers.of(OPENAI, "gpt-5", POLICY).wait(START) == 5
    assert (seen, told) == ([(OPENAI, "gpt-5")], [])


def test_of_a_breaker_that_is_gone_nobody_hears() -> None:
    breakers, told = Breakers(), []
    breakers.observers.append(lambda *change: told.append(change))
    breaker = breakers.of(OPENAI, "gpt-5", POLICY)
    entered = breaker.enter(START)
    breakers.keep(())
    assert breaker.leave(Verdict.BAD, START, entered) is State.OPEN
    assert told == []


def test_breakers_of_providers_that_are_gone_go() -> None:
    breakers = Breakers()
    kept = breakers.of(OPENAI, "gpt-5", POLICY)
    breakers.of(AZURE, "gpt-5", POLICY)
    breakers.keep({OPENAI, "default/other"})
    assert breakers.find(OPENAI, "gpt-5") is kept
    assert breakers.find(AZURE, "gpt-5") is None
    breakers.keep([])
    assert breakers.all(START) == []


def test_the_oldest_that_is_at_rest_makes_room() -> None:
    breakers = Breakers()
    fails(breakers, OPENAI, "down")
    breakers.of(OPENAI, "by-hand", POLICY).open(START + 20)
    for number in range(MOST_BREAKERS - 2):
        breakers.of(OPENAI, f"m{number}", POLICY)
    assert len(breakers.all(START)) == MOST_BREAKERS == 4096
    assert breakers.find(OPENAI, "m0")
    breakers.of(OPENAI, "new", POLICY)
    assert len(breakers.all(START)) == MOST_BREAKERS
    assert breakers.find(OPENAI, "m0") is None
    assert all(breakers.find(OPENAI, model) for model in ("down", "by-hand", "m1", "m4093", "new"))


def test_without_one_at_rest_the_oldest_makes_room() -> None:
    breakers = Breakers()
    for number in range(MOST_BREAKERS):
        breakers.of(OPENAI, f"m{number}", POLICY).suspect(START)
    breakers.of(OPENAI, "new", POLICY)
    assert breakers.find(OPENAI, "m0") is None
    assert breakers.find(OPENAI, "m1")
    assert breakers.find(OPENAI, "new")


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (SERVED, Verdict.GOOD),
        (LEFT, Verdict.NONE),
        (FaultKind.CALLER, Verdict.NONE),
        (FaultKind.RATE_LIMITED, Verdict.NONE),
        (FaultKind.MODEL_NOT_OFFERED, Verdict.NONE),
        (FaultKind.KEY_REFUSED, Verdict.BAD),
        (FaultKind.NO_CREDIT, Verdict.BAD),
        (FaultKind.TIMEOUT, Verdict.BAD),
        (FaultKind.FAILED, Verdict.BAD),
        (ProviderError.code, Verdict.BAD),
        (UpstreamTimedOut.code, Verdict.BAD),
        ("rate_limit_exceeded", Verdict.NONE),
    ],
)
@pytest.mark.parametrize("seconds", [None, 0.1, 100.0])
@pytest.mark.parametrize("slow", [None, 1000])
def test_what_an_attempt_says_of_its_target(
    result: str, verdict: Verdict, seconds: float | None, slow: int | None
) -> None:
    assert verdict_of(result, seconds, CircuitBreaker(slow_call_seconds=slow)) is verdict
    assert verdict_of(str(result), seconds, CircuitBreaker(slow_call_seconds=slow)) is verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(None, Verdict.GOOD), (2.999, Verdict.GOOD), (3.0, Verdict.GOOD), (3.001, Verdict.BAD)]
)
def test_a_slow_call_is_bad_when_asked(seconds: float | None, verdict: Verdict) -> None:
    policy = CircuitBreaker(slow_call_seconds=3)
    assert verdict_of(SERVED, seconds, policy) is verdict
    assert verdict_of(LEFT, seconds, policy) is Verdict.NONE
    assert verdict_of(FaultKind.FAILED, seconds, policy) is Verdict.BAD
