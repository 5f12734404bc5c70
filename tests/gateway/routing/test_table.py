"""Which route serves a name: exact beats the longest prefix beats ``*``."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.routing.plan import make_plan
from sluice_gateway.routing.table import Match, RoutingTable, build_table
from sluice_gateway.upstream import LeanUpstream, Timeouts
from tests.support.loading import loaded, provider, route

LETTERS = st.text("ab-", max_size=4)


async def table_of(text: str, keys: Mapping[str, str] | None = None) -> RoutingTable:
    event = loaded(text, keys=keys)
    return build_table(event.snapshot, event.digest, event.credentials, LeanUpstream())


def pattern_of(match: Match | None) -> str | None:
    return match.pattern if match else None


async def routes_of(*patterns: str) -> RoutingTable:
    return await table_of(
        provider("mock")
        + "".join(route(f"r{place}", "mock", models=(pattern,)) for place, pattern in enumerate(patterns))
    )


@pytest.mark.parametrize(
    ("requested", "pattern"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o*"),
        ("gpt-4", "gpt-*"),
        ("gpt-", "gpt-*"),
        ("gpt", "*"),
        ("claude", "*"),
        ("GPT-4o", "*"),
    ],
)
async def test_the_closest_pattern_wins(requested: str, pattern: str) -> None:
    table = await routes_of("*", "gpt-*", "gpt-4o*", "gpt-4o")
    assert pattern_of(table.match(requested)) == pattern


async def test_without_a_pattern_that_fits_there_is_no_route() -> None:
    table = await routes_of("gpt-*", "chat")
    assert table.match("claude") is None
    assert table.matches("claude") == []


async def test_all_patterns_that_fit_are_found_best_first() -> None:
    table = await routes_of("*", "a*", "abc*", "abc")
    assert [match.pattern for match in table.matches("abc")] == ["abc", "abc*", "a*", "*"]


@given(st.sets(LETTERS.map(lambda text: text + "*") | LETTERS.filter(bool), max_size=8), LETTERS)
async def test_the_index_agrees_with_looking_at_every_pattern(patterns: set[str], requested: str) -> None:
    table = RoutingTable("sha256:0", {pattern: (await routes_of(pattern)).routes[0] for pattern in patterns})
    fitting = [
        pattern
        for pattern in patterns
        if pattern == requested or (pattern.endswith("*") and requested.startswith(pattern[:-1]))
    ]
    best = max(fitting, key=lambda pattern: (not pattern.endswith("*"), len(pattern)), default=None)
    assert pattern_of(table.match(requested)) == best


async def test_targets_stand_in_the_order_of_their_priority() -> None:
    targets = [
        {"provider": "mock", "model": "c", "priority": 2},
        {"provider": "mock", "model": "a"},
        {"provider": "mock", "model": "b"},
    ]
    table = await table_of(provider("mock") + route("chat", targets=targets))
    match = table.match("chat")
    assert match is not None
    assert [candidate.label for candidate in make_plan(match, "chat").to_try()] == ["mock/a", "mock/b", "mock/c"]


async def test_a_route_may_only_tighten_its_providers_timeouts() -> None:
    timeouts = {"connectSeconds": 5, "firstByteSeconds": 60, "idleSeconds": 60, "totalSeconds": 600}
    text = provider("mock", timeouts=timeouts) + route(
        "chat", "mock", timeouts={"firstByteSeconds": 9, "totalSeconds": 900}
    )
    match = (await table_of(text)).match("chat")
    assert match is not None
    assert match.route.targets[0].timeouts == Timeouts(connect=5, first_byte=9, idle=60, total=600)


async def test_what_is_left_out_has_a_reason() -> None:
    targets = tuple(f"mock/{name}" for name in "abcd")
    match = (await table_of(provider("mock") + route("chat", *targets, fallback={"maxTargets": 2}))).match("chat")
    assert match is not None
    plan = make_plan(match, "chat")
    assert [bool(candidate.left_out) for candidate in plan.candidates] == [False, False, True, True]
    assert plan.candidates[2].left_out == "beyond fallback.maxTargets = 2"


async def test_a_disabled_provider_is_no_target() -> None:
    table = await table_of(provider("off", enabled=False) + provider("mock") + route("chat", "off", "mock"))
    match = table.match("chat")
    assert match is not None
    assert [target.provider.label for target in match.route.targets] == ["mock"]


async def test_a_provider_whose_url_cannot_be_called_is_no_target() -> None:
    event = loaded(provider("up", "http://127.0.0.1:9") + provider("mock") + route("chat", "up/m", "mock"))
    [up] = [found for found in event.snapshot.providers if found.name == "up"]
    broken = up.model_copy(update={"base_url": "http://user@127.0.0.1:9"})
    others = tuple(found for found in event.snapshot.providers if found is not up)
    snapshot = event.snapshot.model_copy(update={"providers": (broken, *others)})
    table = build_table(snapshot, event.digest, event.credentials, LeanUpstream())
    match = table.match("chat")
    assert match is not None
    assert [target.provider.label for target in match.route.targets] == ["mock"]
    [finding] = table.left_out
    assert finding.resource == up.key
    assert "user information" in finding.message


async def test_each_offer_comes_from_every_provider_that_makes_it() -> None:
    both = provider("one", models=[{"name": "m"}]) + provider("two", models=[{"name": "m"}, {"name": "n"}])
    match = (await table_of(both + route("all", models=("*",)))).match("m")
    assert match is not None
    assert [target.provider.label for target in match.route.targets_for("m")] == ["one", "two"]
    assert [target.provider.label for target in match.route.targets_for("n")] == ["two"]


async def test_a_key_is_in_no_text_of_the_table() -> None:
    text = provider("up", "http://127.0.0.1:9", credentials={"secretRef": {"name": "up", "key": "api-key"}}) + route(
        "chat", "up/m"
    )
    table = await table_of(text, keys={"up": "sk-canary"})
    match = table.match("chat")
    assert match is not None
    target = match.route.targets[0]
    assert "canary" not in "".join(
        map(repr, (table, match, target, target.provider, target.provider.endpoint("/chat/completions", "m")))
    )
    assert target.provider.redact("sk-canary at http://127.0.0.1:9/v1") == "*** at http://***/v1"
