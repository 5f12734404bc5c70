"""Strategies: what each makes of the same options."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_config.resources.model_route import Scoring, Strategy
from sluice_gateway.errors import StrategyNotAllowed
from sluice_gateway.providers.provider import Traits
from sluice_gateway.routing.needs import Needs
from sluice_gateway.routing.preferences import Preference
from sluice_gateway.routing.strategies import ORDERINGS, Order, chosen_strategy
from sluice_gateway.routing.table import Target
from sluice_gateway.telemetry.target_figures import Expected
from tests.support.plans import expecting, facts, match_of, model, options_of, said

PRICES = st.none() | st.floats(0, 1e-3)
TRAITS = st.builds(
    Traits,
    input_price=PRICES,
    output_price=PRICES,
    context_window=st.none() | st.integers(1, 10_000),
    capabilities=st.frozensets(st.sampled_from(["chat", "tools", "vision"])),
    complete=st.booleans(),
    max_output_tokens=st.none(),
    quality=st.none() | st.integers(0, 100),
)
SECONDS = st.floats(0, 100)
EXPECTED = st.builds(Expected, SECONDS, SECONDS, st.floats(0, 1), st.floats(0, 1), SECONDS, SECONDS)
TOKENS = st.integers(0, 20_000)


@st.composite
def needs_that_may_be(draw: st.DrawFn) -> Needs:
    prompt, output = draw(TOKENS), draw(TOKENS)
    return Needs(
        tools=draw(st.booleans()),
        stream=draw(st.booleans()),
        prompt_tokens=prompt,
        max_output=output,
        likely_output=output,
        window=prompt + output,
    )


def names(order: Order) -> str:
    return "".join(one.option.model for one in order.ranked)


def values(order: Order) -> dict[str, float | None]:
    return {one.option.model: None if one.score is None else round(one.score, 3) for one in order.ranked}


def reasons(order: Order) -> dict[str, str]:
    return {one.option.model: one.reason for one in order.ranked}


def chances(*draws: float) -> Callable[[], float]:
    return iter(draws).__next__


def priced(price: float | None) -> Traits:
    return Traits(input_price=price, output_price=price)


def test_there_is_an_order_for_each_strategy() -> None:
    assert set(ORDERINGS) == set(get_args(Strategy))


@given(
    strategy=st.sampled_from(get_args(Strategy)),
    targets=st.lists(st.tuples(TRAITS, EXPECTED, st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), max_size=6),
    needs=needs_that_may_be(),
    seed=st.integers(0, 9),
    turn=st.integers(0, 100),
)
async def test_every_order_is_of_all_options_and_by_score_within_tiers(
    strategy: str, targets: list[tuple[Traits, Expected, int, int, int]], needs: Needs, seed: int, turn: int
) -> None:
    targets.sort(key=lambda one: one[3])  # as compile does, by priority
    options = await options_of(
        *(one[0] for one in targets),
        weights=tuple(one[2] for one in targets),
        priorities=tuple(one[3] for one in targets),
    )
    options = [one._replace(rank=rank) for one, (*_, rank) in zip(options, targets, strict=True)]
    seen = {one.model: expected for one, (_, expected, *_) in zip(options, targets, strict=True)}
    order = ORDERINGS[strategy](
        options,
        facts(
            needs=needs,
            expect=lambda _, name: seen[name],
            chance=random.Random(seed).random,
            turn=turn,
            call=said("Prove it."),
            preference=Preference(("p/b", "p/z"), "cost") if turn % 2 else None,
        ),
    )
    assert sorted(names(order)) == [one.model for one in options]
    tiers = [one.tier for one in order.ranked]
    assert tiers == sorted(tiers)
    assert all(one.reason for one in order.ranked)
    scored = [one.score for one in order.ranked if one.score is not None]
    assert all(0 <= score <= 1 + 1e-9 for score in scored)
    if order.margin < 1 and scored and strategy != "preference":
        pairs = zip(order.ranked, order.ranked[1:], strict=False)
        assert all(one.tier < other.tier or (one.score or 0) >= (other.score or 0) for one, other in pairs)


@pytest.mark.parametrize("strategy", sorted(set(get_args(Strategy)) - {"weighted"}))
async def test_only_the_strategy_of_weights_gives_shares(strategy: Strategy) -> None:
    assert ORDERINGS[strategy](await options_of(Traits(), Traits(), weights=(1, 9)), facts()).shares is False


async def test_priority_is_the_order_of_the_list_and_nobody_is_about_as_good() -> None:
    order = ORDERINGS["priority"](await options_of(Traits(), Traits(), Traits()), facts())
    assert [(one.option.model, one.score, one.tier) for one in order.ranked] == [
        ("a", None, 0),
        ("b", None, 1),
        ("c", None, 2),
    ]
    assert (order.explores, order.shares) == (False, False)


async def test_weights_are_shares_of_their_priority() -> None:
    options = await options_of(*[Traits()] * 5, weights=(1, 3, 0, 5, 5), priorities=(0, 0, 0, 1, 1))
    order = ORDERINGS["weighted"](options, facts())
    assert values(order) == {"b": 0.75, "a": 0.25, "c": 0.0, "d": 0.5, "e": 0.5}
    assert names(order) == "bacde"
    assert reasons(order)["b"] == "drawn by its weight, 3 of 4"
    assert reasons(order)["c"] == "weight 0: only when others fail"
    assert [one.tier for one in order.ranked] == [0, 0, 1, 2, 2]
    assert (order.margin, order.shares, order.explores) == (1.0, True, False)


async def test_a_draw_is_the_root_of_a_chance() -> None:
    options = await options_of(Traits(), Traits(), weights=(1, 2))
    assert names(ORDERINGS["weighted"](options, facts(chance=chances(0.5, 0.24)))) == "ab"  # 0.5 > 0.24 ** (1 / 2)
    assert names(ORDERINGS["weighted"](options, facts(chance=chances(0.5, 0.26)))) == "ba"
    assert names(ORDERINGS["weighted"](options, facts(chance=chances(0.0, 0.01)))) == "ba"
    assert names(ORDERINGS["weighted"](options, facts(chance=chances(0.0, 0.0)))) == "ba"


async def test_only_fallbacks_are_an_order_too() -> None:
    options = await options_of(Traits(), Traits(), weights=(0, 0))
    order = ORDERINGS["weighted"](options, facts(chance=chances()))
    assert (names(order), values(order)) == ("ab", {"a": 0.0, "b": 0.0})


async def test_weights_are_honoured_over_many_requests() -> None:
    options = await options_of(*[Traits()] * 3, weights=(6, 3, 1))
    known = facts(chance=random.Random(1).random)
    orders = [names(ORDERINGS["weighted"](options, known)) for _ in range(5000)]
    first, second = Counter(order[0] for order in orders), Counter(order[1] for order in orders if order[0] == "a")
    # Seeded, so always the same; and five standard deviations wide, sqrt(n p (1 - p)) <= 35.
    assert first["a"] == pytest.approx(3000, abs=175)
    assert first["b"] == pytest.approx(1500, abs=175)
    assert second["b"] / second.total() == pytest.approx(0.75, abs=0.05)  # as if the first had never been there


@pytest.mark.parametrize(("turn", "order"), [(0, "abcde"), (1, "bcaed"), (2, "cabde"), (3, "abced"), (7, "bcaed")])
async def test_turns_are_taken_within_each_priority(turn: int, order: str) -> None:
    options = await options_of(*[Traits()] * 5, priorities=(0, 0, 0, 1, 1))
    found = ORDERINGS["round-robin"](options, facts(turn=turn))
    assert names(found) == order
    assert reasons(found)["a"] == f"turn {turn % 3 + 1} of 3"
    assert [one.tier for one in found.ranked] == [0, 0, 0, 1, 1]
    assert set(values(found).values()) == {None}


async def test_who_can_not_be_asked_leaves_its_turn_to_all_others() -> None:
    a, b, c = await options_of(*[Traits()] * 3)
    assert a.rank == 0
    firsts = [names(ORDERINGS["round-robin"]([a, b._replace(rank=3), c], facts(turn=turn)))[0] for turn in range(6)]
    assert "".join(firsts) == "acacac"


async def test_the_cheapest_first_and_unknown_prices_last() -> None:
    options = await options_of(priced(None), priced(2e-6), priced(1e-6), priced(0.0))
    needs = Needs(prompt_tokens=50_000, likely_output=50_000)
    order = ORDERINGS["cost"](options, facts(needs=needs))
    assert names(order) == "dcba"
    assert reasons(order) == {
        "a": "its price is unknown",
        "b": "about $0.200000",
        "c": "about $0.100000",
        "d": "about $0.000000",
    }
    order = ORDERINGS["cost"](options[:3], facts(needs=needs))
    assert values(order) == {"c": 1.0, "b": 0.5, "a": 0.0}
    assert [one.tier for one in order.ranked] == [0, 0, 1]
    assert names(ORDERINGS["cost"](options[:1], facts(needs=needs))) == "a"
    assert order.explores is False


async def test_the_fastest_first() -> None:
    options = await options_of(Traits(), Traits(), Traits())
    expect = expecting(a=2.0, b=1.0, c=4.0)
    order = ORDERINGS["latency"](options, facts(expect=expect, needs=Needs(stream=True)))
    assert names(order) == "bac"
    assert values(order) == {"b": 1.0, "a": 0.502, "c": 0.252}
    assert reasons(order)["a"] == "first byte in about 2.000 s"
    assert [one.tier for one in order.ranked] == [0, 0, 0]
    assert order.explores
    assert reasons(ORDERINGS["latency"](options, facts(expect=expect)))["a"] == "answer in about 2.000 s"
    assert reasons(ORDERINGS["latency"](options, facts()))["a"] == "answer in about 5.000 s (assumed: not seen yet)"
    seldom = facts(expect=lambda *_: Expected(1.0, 1.0, 0.0, 1.0, 0.01, 0.0))
    assert reasons(ORDERINGS["latency"](options, seldom))["a"] == "answer in about 1.000 s"


def one_of(first_byte: float, per_token: float, success: float) -> Expected:
    return Expected(first_byte, 9.0, per_token, success, 3.0, 0.0)


async def test_performance_is_of_the_whole_answer_and_of_those_that_succeed() -> None:
    seen = {"a": one_of(0.1, 0.02, 1.0), "b": one_of(1.0, 0.01, 1.0), "c": one_of(1.0, 0.005, 0.5)}
    options = await options_of(Traits(), Traits(), Traits())

    def expect(_target: Target, name: str) -> Expected:
        return seen[name]

    order = ORDERINGS["performance"](options, facts(expect=expect, needs=Needs(likely_output=200)))
    assert names(order) == "bca"
    assert reasons(order)["c"] == "200 tokens in about 4.000 s, 50% succeed"
    assert order.explores
    assert names(ORDERINGS["performance"](options, facts(expect=expect, needs=Needs(likely_output=10)))) == "abc"
    assert reasons(ORDERINGS["performance"](options, facts()))["a"].endswith("95% succeed (assumed: not seen yet)")


async def test_the_most_capable_first() -> None:
    able = Traits(capabilities=frozenset({"tools", "vision"}), complete=True, context_window=1000)
    options = await options_of(Traits(), able, able._replace(context_window=200))
    order = ORDERINGS["capability"](options, facts(needs=Needs(tools=True, window=100)))
    assert names(order) == "bca"
    assert values(order)["b"] == pytest.approx(0.6 + 0.25 * 0.9 + 0.15 * 2 / 7, abs=1e-3)
    assert reasons(order)["b"] == "covers 100% of what is asked, 90% of its window left, breadth 29%"


async def test_the_best_rated_first_and_the_unrated_between() -> None:
    options = await options_of(Traits(quality=40), Traits(), Traits(quality=60), Traits(quality=50))
    order = ORDERINGS["quality"](options, facts())
    assert names(order) == "cbda"
    assert values(order) == {"c": 0.6, "b": 0.5, "d": 0.5, "a": 0.4}
    assert (reasons(order)["b"], reasons(order)["d"]) == ("not rated: 50", "rated 50")


async def test_balance_is_the_mean_by_the_routes_weights() -> None:
    options = await options_of(priced(1e-3), priced(2e-3))
    known = facts(expect=expecting(a=4.0, b=1.0), needs=Needs(prompt_tokens=1000, stream=True))
    order = ORDERINGS["balanced"](options, known)
    fit = 0.6 + 0.25 * 0.5 + 0.15 * 0.25
    assert values(order) == {
        "b": round(0.3 * 0.5 + 0.4 + 0.3 * fit, 3),
        "a": round(0.3 + 0.4 * 1.01 / 4.01 + 0.3 * fit, 3),
    }
    assert reasons(order)["a"] == "cost 1.00, latency 0.25, capability 0.76"
    assert order.explores
    order = ORDERINGS["balanced"](options, known._replace(scoring=Scoring(cost=100, latency=0, capability=0)))
    assert values(order) == {"a": 1.0, "b": 0.5}
    order = ORDERINGS["balanced"](options, known._replace(scoring=Scoring(cost=0, latency=0, capability=50)))
    assert values(order) == {"a": round(fit, 3), "b": round(fit, 3)}
    assert (names(order), order.notes) == ("ab", ())


@given(st.floats(0, 1e-3), st.floats(0, 1e-3), st.sampled_from(["cost", "balanced", "smart"]))
async def test_a_higher_price_never_helps(price: float, more: float, strategy: str) -> None:
    options = await options_of(priced(price), priced(price + more))
    assert names(ORDERINGS[strategy](options, facts(needs=Needs(prompt_tokens=100)))) == "ab"


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(["latency", "performance", "balanced", "smart"]))
async def test_a_longer_wait_never_helps(wait: float, more: float, strategy: str) -> None:
    options = await options_of(Traits(), Traits())
    assert names(ORDERINGS[strategy](options, facts(expect=expecting(a=wait, b=wait + more)))) == "ab"


async def test_smart_weighs_by_class_and_puts_quality_first_where_it_counts() -> None:
    cheap = Traits(input_price=0.0, output_price=0.0, quality=69)
    good = Traits(input_price=1e-3, output_price=1e-3, quality=70)
    options = await options_of(cheap, good)
    order = ORDERINGS["smart"](options, facts(call=said("Prove it."), needs=Needs(prompt_tokens=50)))
    assert names(order) == "ba"
    assert order.notes == ("class reasoning: the user says 'prove'",)
    assert reasons(order)["a"].endswith("; quality 69 is below 70")
    assert "quality" not in reasons(order)["b"]
    assert [one.tier for one in order.ranked] == [0, 1]
    order = ORDERINGS["smart"](options, facts(call=said("Hello!"), needs=Needs(prompt_tokens=50)))
    assert (names(order), order.explores) == ("ab", True)
    assert ORDERINGS["smart"](options, facts()).notes == ("class general: nothing is known of it",)


async def test_the_factors_of_a_class_are_times_the_routes_weights() -> None:
    options = await options_of(priced(1e-3), priced(2e-3))
    known = facts(call=said("Hello!"), expect=expecting(a=4.0, b=1.0), needs=Needs(prompt_tokens=50, stream=True))
    fit, fast = 0.6 + 0.25 * 0.5 + 0.15 * 0.25, 1.01 / 4.01
    a = (30 * 2 + 40 * 1.5 * fast + 30 * 0.25 * fit) / (60 + 60 + 7.5)
    b = (30 * 2 * (0.05 + 1e-5) / (0.1 + 1e-5) + 40 * 1.5 + 30 * 0.25 * fit) / (60 + 60 + 7.5)
    assert values(ORDERINGS["smart"](options, known)) == {"a": round(a, 3), "b": round(b, 3)}


async def test_who_can_reason_is_preferred_for_it() -> None:
    options = await options_of(Traits(capabilities=frozenset({"chat"})), Traits(capabilities=frozenset({"reasoning"})))
    assert names(ORDERINGS["smart"](options, facts(call=said("Prove it.")))) == "ba"
    assert names(ORDERINGS["smart"](options, facts(call=said("Hello!")))) == "ab"


async def test_a_preference_comes_first_then_its_own_order() -> None:
    options = await options_of(priced(2e-3), priced(1e-3), priced(3e-3), priced(4e-3), priced(None))
    needs = Needs(prompt_tokens=1000)
    preference = Preference(("p/d", "p/z", "p/a"), "cost")
    order = ORDERINGS["preference"](options, facts(preference=preference, needs=needs))
    assert names(order) == "dabce"
    assert [one.tier for one in order.ranked] == [0, 2, 3, 3, 4]
    assert reasons(order)["d"] == "preferred by the caller; about $4.000000"
    assert reasons(order)["b"] == "about $1.000000"
    assert order.notes == ("the caller's preference: cost",)
    inner = ORDERINGS["preference"](options, facts(preference=Preference((), "smart"), call=said("Hello!")))
    assert inner.notes[:1] == ("the caller's preference: smart",)
    assert inner.notes[1].startswith("class simple")


@pytest.mark.parametrize("preference", [None, Preference(strategy="preference"), Preference()])
async def test_without_a_preference_it_is_balanced(preference: Preference | None) -> None:
    options = await options_of(priced(2e-3), priced(1e-3))
    known = facts(preference=preference, needs=Needs(prompt_tokens=1000))
    order = ORDERINGS["preference"](options, known)
    assert order.ranked == ORDERINGS["balanced"](options, known).ranked
    wanted = (
        "no preference is stored for the caller: balanced"
        if preference is None
        else "the caller's preference: balanced"
    )
    assert order.notes == (wanted,)


@pytest.mark.parametrize(
    ("spec", "asked", "chosen"),
    [
        ({}, "", "cost"),
        ({}, "  ", "cost"),
        ({}, "quality", "quality"),
        ({}, " latency ", "latency"),
        ({"allowedStrategies": ["latency", "quality"]}, "latency", "latency"),
        ({"allowedStrategies": []}, "", "cost"),
    ],
)
async def test_a_strategy_is_the_routes_or_one_that_it_allows(spec: dict[str, Any], asked: str, chosen: str) -> None:
    match = await match_of(model("m"), strategy="cost", **spec)
    assert chosen_strategy(match.route, asked) == chosen


@pytest.mark.parametrize(
    ("spec", "asked", "words"),
    [
        ({}, "fastest", ("'fastest'", "priority, weighted, round-robin, cost")),
        ({}, "Cost", ("'Cost'",)),
        ({}, "x" * 8000, (f"does not allow '{'x' * 64}';",)),
        ({}, "x" * 65, (f"'{'x' * 64}'",)),
        ({"allowedStrategies": ["latency", "quality"]}, "cost", ("'cost'", "allowed are latency, quality")),
        ({"allowedStrategies": []}, "cost", ("callers may choose none",)),
    ],
)
async def test_what_is_not_allowed_is_refused_with_what_is(
    spec: dict[str, Any], asked: str, words: tuple[str, ...]
) -> None:
    match = await match_of(model("m"), strategy="cost", **spec)
    with pytest.raises(StrategyNotAllowed) as caught:
        chosen_strategy(match.route, asked)
    assert (caught.value.status, caught.value.code) == (400, "strategy_not_allowed")
    assert all(word in caught.value.message for word in ("x-routing-strategy", "default/chat", *words))
