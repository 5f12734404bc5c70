"""TargetsHealthy as a value: which reason, what is said to whom, when it passes, and how often it may be written."""

import pytest

from sluice_config.conditions import LONGEST_MESSAGE, Condition
from sluice_config.resources import ResourceKey
from sluice_operator.targets import (
    BREAKER_OPEN,
    NOT_OFFERED,
    PACE_SECONDS,
    REJECTED,
    UNHEALTHY,
    Pace,
    Trouble,
    by_resource,
    standing,
    targets_condition,
)

ROUTE = ResourceKey("ModelRoute", "default", "chat")
OTHER = ResourceKey("ModelRoute", "default", "other")
POLICY = ResourceKey("ProviderPolicy", "default", "openai")
KNOWN = {ROUTE, OTHER, POLICY}
CHAT = ("default/chat",)
OPEN = Trouble(BREAKER_OPEN, "default/openai", "gpt-4o", routes=CHAT, pods=2)
LACKING = Trouble(NOT_OFFERED, "default/openai", "gpt-9", routes=CHAT)
UNWELL = Trouble(UNHEALTHY, "default/openai", note="connection refused", routes=CHAT, pods=3)
REFUSED = Trouble(REJECTED, "default/openai", routes=CHAT, pods=3)
BEFORE = Condition("TargetsHealthy", "False", "BreakerOpen", "target openai/gpt-4o…")


def said(key: ResourceKey, *troubles: Trouble, pods: int = 3) -> str:
    """The message of a condition that is False."""
    found = targets_condition(key, troubles, pods, None)
    assert found
    assert (found.type, found.status) == ("TargetsHealthy", "False")
    return found.message


OPENED = "target openai/gpt-4o has failed too often (2 of 3 pods): its breaker is open until a probe succeeds; "


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (REFUSED, "{} has its key refused (3 of 3 pods): put a valid one into the Secret that spec.credentials names"),
        (UNWELL, "{} fails its health checks (3 of 3 pods; connection refused): see that it can be reached"),
        (UNWELL._replace(note=""), "{} fails its health checks (3 of 3 pods): see that it can be reached"),
        (OPEN, f"{OPENED}the gateway's log says what failed"),
        (LACKING._replace(routes=()), "{} does not list the model gpt-9 (1 of 3 pods): see that its name is right"),
    ],
)
def test_it_says_what_how_many_say_so_and_what_to_do(trouble: Trouble, text: str):
    assert said(ROUTE, trouble) == text.format("ProviderPolicy openai")
    assert said(POLICY, trouble) == text.format("the provider")
    found = targets_condition(ROUTE, [trouble], 3, None)
    assert found
    assert found.reason == trouble.reason


def test_what_was_done_by_hand_is_undone_by_hand():
    text = "target openai/gpt-4o was taken out by hand (2 of 3 pods): it comes back when the stated time is over, "
    assert said(ROUTE, OPEN._replace(by_hand=True)) == f"{text}or through the gateway's admin API"
    assert "; target openai/gpt-4o was taken" in said(POLICY, OPEN._replace(by_hand=True, pods=1), OPEN)


def test_a_provider_is_told_who_asks_for_what_it_does_not_list():
    text = "the provider does not list the model gpt-9, which default/chat would ask for (1 of 3 pods): "
    assert said(POLICY, LACKING) == f"{text}see that its name is right"
    assert "default/chat" not in said(ROUTE, LACKING)


def test_the_worst_is_the_reason_and_comes_first():
    troubles = [LACKING, OPEN, UNWELL, REFUSED]
    for worst in (REJECTED, UNHEALTHY, BREAKER_OPEN, NOT_OFFERED):
        found = targets_condition(ROUTE, troubles, 3, None)
        assert found
        assert found.reason == worst
        troubles.pop()
    text = said(ROUTE, LACKING, OPEN, UNWELL, REFUSED)
    places = [text.index(word) for word in ("key refused", "health checks", "too often", "does not list")]
    assert places == sorted(places)
    assert text.count("; ProviderPolicy openai") == 2


def test_the_order_of_reports_means_nothing():
    first, second = OPEN._replace(model="a"), OPEN._replace(model="b", provider="default/azure")
    assert said(ROUTE, first, second) == said(ROUTE, second, first)
    assert said(ROUTE, first, second).startswith("target azure/b")


def test_pods_of_all_gateways_are_counted():
    one, other = OPEN._replace(pods=1, routes=("default/other",)), OPEN._replace(pods=2, note="seen")
    assert "(3 of 7 pods)" in said(POLICY, one, other, pods=7)
    assert said(POLICY, one, other, pods=7).count("openai/gpt-4o") == 1
    both = (LACKING, LACKING._replace(routes=("default/another",)))
    assert "which default/another, default/chat would ask for (2 of 3 pods)" in said(POLICY, *both)
    assert "; timed out" in said(POLICY, UNWELL._replace(note=""), UNWELL._replace(note="timed out"))


def test_few_routes_are_named():
    routes = tuple(f"default/route-{number}" for number in range(9))
    five = "which default/route-0, default/route-1, default/route-2, default/route-3, default/route-4"
    assert f"{five} would" in said(POLICY, LACKING._replace(routes=routes[:5]))
    assert f"{five}, others would" in said(POLICY, LACKING._replace(routes=routes[:6]))
    assert f"{five}, others would" in said(POLICY, LACKING._replace(routes=routes))
    assert "which" not in said(POLICY, LACKING._replace(routes=()))


def test_a_message_has_an_end():
    name = "x" * (LONGEST_MESSAGE - len(said(ROUTE, OPEN._replace(model=""))))
    whole, cut = said(ROUTE, OPEN._replace(model=name)), said(ROUTE, OPEN._replace(model=f"{name}x"))
    assert (len(whole), whole[-1], len(cut), cut[-1]) == (LONGEST_MESSAGE, "d", LONGEST_MESSAGE, "…")
    assert len(said(ROUTE, *(OPEN._replace(model=f"model-{number}") for number in range(500)))) == LONGEST_MESSAGE


def test_nothing_is_said_before_the_first_trouble():
    assert targets_condition(ROUTE, [], 3, None) is None


def test_what_has_passed_is_healthy_and_stays_so():
    passed = targets_condition(ROUTE, [], 3, BEFORE)
    assert passed == Condition("TargetsHealthy", "True", "Healthy", "the trouble that pods reported has passed")
    assert targets_condition(ROUTE, [], 3, passed) == passed
    again = targets_condition(ROUTE, [OPEN], 3, passed)
    assert again
    assert again.reason == BREAKER_OPEN


def test_nobody_who_reports_knows_nothing():
    assert targets_condition(ROUTE, [], 0, BEFORE) is None


def test_each_trouble_is_told_to_the_provider_and_to_its_routes():
    found = by_resource([OPEN, REFUSED._replace(routes=(*CHAT, "default/other"))], KNOWN)
    assert {key: [one.reason for one in told] for key, told in found.items()} == {
        POLICY: [BREAKER_OPEN, REJECTED],
        ROUTE: [BREAKER_OPEN, REJECTED],
        OTHER: [REJECTED],
    }


@pytest.mark.parametrize("provider", ["default/nobody", "far/openai", "default/"])
def test_of_providers_that_the_gateway_does_not_serve_nothing_is_told(provider: str):
    assert by_resource([OPEN._replace(provider=provider)], KNOWN) == {}


def test_routes_that_the_gateway_does_not_serve_are_not_named():
    foreign = {ResourceKey("ModelRoute", namespace, "chat") for namespace in ("a", "far")}
    routes = ("a/chat", "default/chat", "default/none", "far/chat")
    found = by_resource([OPEN._replace(routes=routes)], KNOWN | foreign)
    assert found == {POLICY: [OPEN], ROUTE: [OPEN]}


def test_a_condition_is_read_back_as_it_was_written():
    found = {"type": "TargetsHealthy", "status": "True", "reason": "Healthy", "message": "m", "observedGeneration": 3}
    assert standing({"conditions": [{"type": "Ready", "status": "True"}, found]}) == Condition(
        "TargetsHealthy", "True", "Healthy", "m"
    )
    for status in ("False", "Unknown"):
        told = standing({"conditions": [found | {"status": status}]})
        assert told
        assert told.status == "False"


@pytest.mark.parametrize("status", [None, {}, {"conditions": None}, {"conditions": [{"type": "Ready"}, {}]}])
def test_a_status_without_the_condition(status: dict[str, list[dict[str, str]]] | None):
    assert standing(status) is None


def test_an_object_is_held_for_half_a_minute_after_its_write():
    pace = Pace()
    pace.wrote(ROUTE, 100.0)
    pace.wrote(OTHER, 110.0)
    assert pace.held(100.0) == {ROUTE, OTHER}
    assert pace.held(100.0 + PACE_SECONDS - 0.1) == {ROUTE, OTHER}
    assert (pace.wait({ROUTE, OTHER}, 120.0), pace.wait({OTHER}, 123.0)) == (10.0, 17.0)
    assert pace.held(100.0 + PACE_SECONDS) == {OTHER}
    pace.wrote(OTHER, 130.0)
    assert pace.held(110.0 + PACE_SECONDS) == {OTHER}
    assert pace.held(131.0 + PACE_SECONDS) == frozenset()
