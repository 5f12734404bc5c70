"""What /internal/report says of what is not well: the operator's half of the contract reads exactly this."""

from collections.abc import Mapping
from typing import Any

from sluice_config.resources.provider_policy import CircuitBreaker
from sluice_gateway.health.checks import Checks
from sluice_gateway.resilience.breaker import Verdict
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.server.served import Serving
from sluice_gateway.server.troubles import MOST_ENTRIES, Troubles
from sluice_gateway.telemetry.log import make_logger
from sluice_gateway.telemetry.metrics import Metrics
from tests.support.admin import table_of
from tests.support.gateway import provider, route
from tests.support.moving_time import MovingTime

POLICY = CircuitBreaker(failure_threshold=1, open_seconds=60)
DOCUMENTS = (
    provider("a"),
    provider("b"),
    route("one", "a/small", "b/small", models=("one",)),
    route("two", "a/small", models=("two",)),
)


def check(provider: str, state: str, reason: str = "", *, rejected: bool = False) -> Mapping[str, Any]:
    return {"provider": provider, "state": state, "reason": reason, "credentialsRejected": rejected, "checks": []}


def troubles(
    breakers: Breakers, *health: Mapping[str, Any], now: float = 1000.0, documents: tuple[str, ...] = DOCUMENTS
) -> dict[str, Any]:
    table = table_of(*documents) if documents else None
    return Troubles(Serving(lambda: table), breakers, lambda: health, lambda: now).described()


def failed(breakers: Breakers, provider: str, model: str, now: float = 1000.0) -> None:
    breaker = breakers.of(provider, model, POLICY)
    breaker.leave(Verdict.BAD, now, breaker.enter(now))


def test_where_all_is_well_nothing_is_said() -> None:
    breakers = Breakers()
    breakers.of("default/a", "small", POLICY)
    healthy = check("default/a", "healthy"), check("default/b", "unknown")
    assert troubles(breakers, *healthy) == {"breakers": [], "unhealthy": [], "rejected": []}


def test_breakers_that_are_not_closed_name_the_routes_that_they_concern() -> None:
    breakers = Breakers()
    failed(breakers, "default/a", "small")
    failed(breakers, "default/b", "small", now=900.0)
    breakers.of("default/a", "gone", POLICY).open(1009.5)
    breakers.of("default/b", "other", POLICY).close(2000.0)
    open_ = {"state": "open", "provider": "default/a"}
    assert troubles(breakers)["breakers"] == [
        open_ | {"model": "gone", "secondsLeft": 10, "byHand": True, "routes": []},
        open_ | {"model": "small", "secondsLeft": 60, "byHand": False, "routes": ["default/one", "default/two"]},
        {
            "provider": "default/b",
            "model": "small",
            "state": "half_open",
            "secondsLeft": 0,
            "byHand": False,
            "routes": ["default/one"],
        },
    ]


def test_providers_that_fail_their_checks() -> None:
    found = troubles(
        Breakers(),
        check("default/a", "unhealthy", "no answer within 10 s"),
        check("default/b", "unknown", rejected=True),
        check("default/c", "unhealthy", "the provider refused the gateway's key", rejected=True),
    )
    assert found["unhealthy"] == [
        {"provider": "default/a", "reason": "no answer within 10 s", "routes": ["default/one", "default/two"]}
    ]
    assert found["rejected"] == [
        {"provider": "default/b", "routes": ["default/one"]},
        {"provider": "default/c", "routes": []},
    ]


def test_no_more_is_told_than_is_read() -> None:
    breakers = Breakers()
    for number in range(MOST_ENTRIES + 1):
        failed(breakers, "default/a", f"model-{number:03}", now=900.0)
    failed(breakers, "default/z", "last")
    many = [check(f"default/{number}", "unhealthy", "x") for number in range(MOST_ENTRIES + 1)]
    refused = [check(f"default/{number}", "unknown", rejected=True) for number in range(MOST_ENTRIES + 1)]
    found = troubles(breakers, *many, *refused)
    assert [len(entries) for entries in found.values()] == [MOST_ENTRIES] * 3
    assert found["breakers"][0]["model"] == "last"


def test_without_a_configuration_no_route_is_concerned() -> None:
    breakers = Breakers()
    failed(breakers, "default/a", "small")
    found = troubles(breakers, check("default/a", "unhealthy", "x"), documents=())
    assert found["breakers"][0]["routes"] == found["unhealthy"][0]["routes"] == []


async def test_a_refused_key_is_known_from_real_checks() -> None:
    table, time = table_of(provider("up", "http://127.0.0.1:9", healthCheck={}) + route("one", "up/m")), MovingTime()
    checks = Checks(make_logger(), Metrics(), clock=time.clock, sleep=time.sleep)
    checks.follow(table)
    try:
        found = Troubles(Serving(lambda: table), Breakers(), checks.described, time.clock)
        assert found.described() == {"breakers": [], "unhealthy": [], "rejected": []}
        checks.refused("default/up")
        assert found.described()["rejected"] == [{"provider": "default/up", "routes": ["default/one"]}]
    finally:
        await checks.close()
