"""How often a provider may be asked once more, and after what wait."""

import pytest

from sluice_config.resources.provider_policy import Retry
from sluice_gateway.resilience.retries import LEAST_RETRIES, RetryBudget, RetryBudgets, back_off

START = 1000.0


def budget(percent: int = 20, *, requests: int = 0, retries: int = 0) -> RetryBudget:
    made = RetryBudget(percent)
    for _ in range(requests):
        made.asked(START)
    for _ in range(retries):
        made.retried(START)
    return made


@pytest.mark.parametrize("requests", [0, 1, 19])
@pytest.mark.parametrize("percent", [1, 20])
def test_a_few_retries_are_always_allowed(requests: int, percent: int) -> None:
    assert LEAST_RETRIES == 3
    assert [budget(percent, requests=requests, retries=retries).may_retry(START) for retries in range(5)] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("percent", "requests", "allowed"), [(20, 20, 4), (20, 24, 4), (20, 25, 5), (33, 15, 4), (1, 400, 4), (100, 7, 7)]
)
def test_beyond_that_a_share_of_the_requests(percent: int, requests: int, allowed: int) -> None:
    assert budget(percent, requests=requests, retries=allowed - 1).may_retry(START)
    assert not budget(percent, requests=requests, retries=allowed).may_retry(START)


@pytest.mark.parametrize("requests", [0, 1000])
def test_a_budget_of_nothing_allows_nothing(requests: int) -> None:
    assert not budget(0, requests=requests).may_retry(START)


def test_asking_whether_one_may_costs_nothing() -> None:
    one = budget(retries=2)
    assert all(one.may_retry(START) for _ in range(10))


def test_a_minute_later_all_is_forgotten() -> None:
    one = budget(retries=3)
    assert not one.may_retry(START + 59.999)
    assert one.may_retry(START + 60)
    two = budget(requests=20, retries=3)
    assert two.may_retry(START + 59.999)
    for _ in range(3):
        two.retried(START + 59)
    assert not two.may_retry(START + 60)


def test_each_provider_has_one_budget() -> None:
    budgets = RetryBudgets()
    one = budgets.of("default/openai", Retry(budget_percent=20))
    assert one.percent == 20
    assert budgets.of("default/azure", Retry(budget_percent=30)) is not one
    assert budgets.of("default/openai", Retry(budget_percent=50)) is one
    assert one.percent == 50


def test_budgets_of_providers_that_are_gone_go() -> None:
    budgets = RetryBudgets()
    kept, gone = budgets.of("default/openai", Retry()), budgets.of("default/azure", Retry())
    budgets.keep({"default/openai"})
    assert budgets.of("default/openai", Retry()) is kept
    assert budgets.of("default/azure", Retry()) is not gone


@pytest.mark.parametrize(
    ("tries", "longest"), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0), (5, 10.0), (100, 10.0)]
)
@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_the_wait_is_anything_below_a_delay_that_doubles(tries: int, longest: float, chance: float) -> None:
    assert back_off(Retry(), tries, chance, None) == longest * chance


@pytest.mark.parametrize(("tries", "wait"), [(0, 0.007), (1, 0.014), (2, 0.020)])
def test_the_delays_are_the_policys(tries: int, wait: float) -> None:
    policy = Retry(base_delay_milliseconds=7, max_delay_milliseconds=20)
    assert back_off(policy, tries, 1.0, None) == wait


@pytest.mark.parametrize(
    ("retry_after", "chance", "wait"),
    [(0.0, 0.5, 0.5), (3.0, 0.0, 3.0), (3.0, 0.5, 3.5), (30.0, 1.0, 31.0), (None, 0.5, 0.5)],
)
def test_what_the_provider_asks_for_is_the_least(retry_after: float | None, chance: float, wait: float) -> None:
    assert back_off(Retry(), 0, chance, retry_after) == wait
