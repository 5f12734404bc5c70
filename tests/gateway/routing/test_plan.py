"""Plans: who is left out, who comes last, who stays, who is tried out. What strategies do is theirs to test."""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_config.resources.provider_policy import Model
from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.providers.listing import Listed, Listing
from sluice_gateway.routing.needs import Needs
from sluice_gateway.routing.plan import EXPLORED, IDLE_SECONDS, make_plan
from sluice_gateway.routing.preferences import Preference
from sluice_gateway.routing.standing import Expect, Standing
from sluice_gateway.routing.table import Match, Target
from sluice_gateway.telemetry.target_figures import PRIOR
from tests.support.plans import expecting, left_out, match_of, model, said, standing, tried

OPEN = Standing(closed="circuit breaker open for 9 s", wait=9.0)
FULL = Standing(full="no room for 2 s", wait=2.0)
UNWELL = Standing(doubtful="its provider fails its health checks")
STRATEGIES = (
    "priority",
    "weighted",
    "round-robin",
    "cost",
    "latency",
    "performance",
    "capability",
    "quality",
    "balanced",
    "smart",
    "preference",
)
ABC = (model("a"), model("b"), model("c"))


def draws(*numbers: float) -> Callable[[], float]:
    return iter(numbers).__next__


async def test_the_order_of_the_list_is_the_priority() -> None:
    plan = make_plan(await match_of(*ABC), "chat", strategy="priority")
    assert tried(plan) == ["a", "b", "c"]
    assert [one[2:10] for one in plan.candidates] == [
        (f"p/{name}", "by priority and order", "", None, False, 0.0, False, False) for name in "abc"
    ]
    assert (plan.strategy, plan.notes, plan.unable) == ("priority", (), None)


async def test_a_target_without_a_model_is_asked_for_the_requested_one() -> None:
    match = await match_of(model("m"), targets=[{"model": None}], models=["*"])
    for strategy in ("priority", "cost"):
        [one] = make_plan(match, "any", strategy=strategy).candidates
        assert (one.model, one.label) == ("any", "p/any")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_who_is_closed_is_left_out_and_full_or_unwell_ones_wait(strategy: str) -> None:
    match = await match_of(*(model(name) for name in "abcd"), fallback={"maxTargets": 3})
    plan = make_plan(match, "chat", strategy=strategy, look=standing(a=UNWELL, b=FULL, c=OPEN), call=said("hi"))
    assert tried(plan) == ["d", "b", "a"]
    assert left_out(plan) == {"c": "circuit breaker open for 9 s"}
    assert plan.strategy == strategy
    d, b, a, c = plan.candidates
    assert (d.full, d.wait, b.full, b.wait, a.full, a.wait, c.full, c.wait) == (
        False,
        0.0,
        True,
        2.0,
        False,
        0.0,
        False,
        9.0,
    )
    assert [one.stands_well for one in plan.candidates] == [True, False, False, False]
    assert b.reason.endswith("; after others: no room for 2 s")
    assert a.reason.endswith("; after others: its provider fails its health checks")
    assert "after others" not in c.reason + d.reason


@pytest.mark.parametrize(
    ("first", "order"), [(FULL, "ba"), (UNWELL, "ba"), (UNWELL._replace(full="no room"), "ba"), (OPEN, "b")]
)
async def test_the_fast_way_gives_way_to_anything_in_particular(first: Standing, order: str) -> None:
    match = await match_of(model("a"), model("b"))
    assert "".join(tried(make_plan(match, "chat", look=standing(a=first)))) == order
    assert tried(make_plan(match, "chat", look=standing(b=Standing(wait=3.0)))) == ["a", "b"]  # nothing keeps it


async def test_all_closed_leaves_nobody() -> None:
    plan = make_plan(await match_of(*ABC), "chat", look=standing(a=OPEN, b=OPEN, c=OPEN))
    assert tried(plan) == []
    assert [one.wait for one in plan.candidates] == [9.0] * 3
    assert plan.unable is None


async def test_an_unwell_target_that_is_full_waits_longest_and_says_that_it_is_full() -> None:
    plan = make_plan(await match_of(*ABC), "chat", look=standing(a=UNWELL._replace(full="no room"), b=FULL))
    assert tried(plan) == ["c", "b", "a"]
    assert plan.candidates[2].full


@pytest.mark.parametrize("strategy", ["priority", "quality"])
@pytest.mark.parametrize(
    ("fallback", "count", "why"),
    [
        ({"maxTargets": 2}, 2, "beyond fallback.maxTargets = 2"),
        ({"maxTargets": 3}, 3, ""),
        ({"enabled": False}, 1, "fallback is off"),
        ({"maxTargets": 1}, 1, "fallback is off"),
    ],
)
async def test_as_many_are_tried_as_the_route_allows(
    strategy: str, fallback: dict[str, Any], count: int, why: str
) -> None:
    plan = make_plan(await match_of(*ABC, fallback=fallback), "chat", strategy=strategy)
    assert tried(plan) == ["a", "b", "c"][:count]
    assert left_out(plan) == dict.fromkeys("abc"[count:], why)


async def test_who_is_left_out_takes_no_place_of_those_to_try() -> None:
    plan = make_plan(await match_of(*ABC, fallback={"maxTargets": 1}), "chat", look=standing(a=OPEN))
    assert tried(plan) == ["b"]
    assert left_out(plan) == {"a": OPEN.closed, "c": "fallback is off"}


@pytest.mark.parametrize("strategy", ["priority", "balanced"])
async def test_who_lacks_what_is_asked_is_left_out(strategy: str) -> None:
    match = await match_of(model("a", capabilities=["chat"]), model("b", capabilities=["tools", "json"]), model("c"))
    plan = make_plan(match, "chat", strategy=strategy, needs=Needs(tools=True, json=True))
    assert tried(plan) == ["b", "c"]
    assert left_out(plan) == {"a": "lacks tools"}
    assert plan.candidates[2].reason == ""


async def test_when_nobody_can_the_error_says_who_lacks_what() -> None:
    match = await match_of(model("a", capabilities=["chat"]), model("b", capabilities=["tools"]))
    plan = make_plan(match, "chat", needs=Needs(tools=True, vision=True), call=said("hi"))
    with pytest.raises(UnsupportedParameter) as caught:
        plan.to_try()
    assert (
        caught.value.message
        == "no target of route default/chat can do what is asked: p/a lacks tools, p/b lacks vision"
    )
    assert caught.value.param == "tools"
    unable = make_plan(match, "chat", needs=Needs(tools=True, vision=True)).unable
    assert unable is not None
    assert unable.param is None
    assert left_out(plan) == {"a": "lacks tools", "b": "lacks vision"}


async def test_models_that_embed_are_told_from_those_that_chat() -> None:
    match = await match_of(model("a", capabilities=["embeddings"]), model("b", capabilities=["chat"]))
    assert tried(make_plan(match, "chat")) == ["b"]
    assert tried(make_plan(match, "chat", needs=Needs(embeddings=True))) == ["a"]


async def test_a_route_without_targets_has_an_empty_plan() -> None:
    match = await match_of(targets=[], models=["*"])
    for strategy in STRATEGIES:
        plan = make_plan(match, "nobody", strategy=strategy, conversation=b"x")
        assert (plan.candidates, list(plan.to_try())) == ((), [])


def windows(**sizes: int | None) -> list[dict[str, Any]]:
    return [model(name) if size is None else model(name, contextWindow=size) for name, size in sizes.items()]


@pytest.mark.parametrize("strategy", ["priority", "capability"])
@pytest.mark.parametrize(
    ("models", "window", "order"),
    [
        (windows(a=100, b=200), 100, "ab"),
        (windows(a=100, b=200), 101, "b"),
        (windows(a=100, b=200), 200, "b"),
        (windows(a=100, b=200), 201, "b"),
        (windows(a=100, b=100), 101, "ab"),
        (windows(a=100, b=None), 101, "b"),
        (windows(a=100, b=90, c=100), 101, "ac"),
        (windows(a=100), 101, "a"),
    ],
)
async def test_no_room_leaves_out_while_others_have_more(strategy: str, models: Any, window: int, order: str) -> None:
    plan = make_plan(await match_of(*models), "chat", strategy=strategy, needs=Needs(window=window))
    assert sorted(tried(plan)) == list(order)
    for name, why in left_out(plan).items():
        size = next(one["contextWindow"] for one in models if one["name"] == name)
        assert why == f"its context window of {size} has no room for about {window} tokens"


async def test_who_is_closed_has_no_room_to_offer() -> None:
    match = await match_of(*windows(a=100, b=200))
    plan = make_plan(match, "chat", needs=Needs(window=150), look=standing(b=OPEN))
    assert (tried(plan), left_out(plan)) == (["a"], {"b": OPEN.closed})
    plan = make_plan(match, "chat", needs=Needs(window=150), look=standing(a=OPEN, b=OPEN))
    assert left_out(plan) == {"a": OPEN.closed, "b": OPEN.closed}


async def test_looks_are_for_the_tokens_that_a_request_may_take() -> None:
    asked = []

    def look(target: Target, name: str, tokens: int) -> Standing:
        asked.append((target.model, name, tokens))
        return FULL

    make_plan(
        await match_of(model("a")), "chat", strategy="cost", needs=Needs(prompt_tokens=5, max_output=7), look=look
    )
    make_plan(await match_of(model("a")), "chat", needs=Needs(prompt_tokens=5, max_output=8), look=look)
    assert asked == [("a", "a", 12), ("a", "a", 13), ("a", "a", 13)]


async def test_what_its_provider_does_not_list_is_asked_last() -> None:
    match = await match_of(*ABC)
    listing = match.route.targets[0].provider.listing = Listing()
    assert tried(make_plan(match, "chat")) == ["a", "b", "c"]
    listing.take([Listed(Model(name="b"))])
    plan = make_plan(match, "chat")
    assert tried(plan) == ["b", "a", "c"]
    assert plan.candidates[1].reason.endswith("its provider does not list the model")
    assert tried(make_plan(match, "chat", look=standing(b=UNWELL))) == ["a", "b", "c"]


# Conversations.


async def stays(match: Match, conversation: bytes, strategy: str, **more: Any) -> str:
    return tried(make_plan(match, "chat", strategy=strategy, conversation=conversation, **more))[0]


KEYS = [b"conversation %d" % number for number in range(400)]


@pytest.mark.parametrize("strategy", ["weighted", "round-robin", "balanced"])
async def test_a_conversation_stays_and_only_those_of_a_closed_target_move(strategy: str) -> None:
    match = await match_of(*ABC)
    chance = random.Random(3).random
    before = {key: await stays(match, key, strategy, chance=chance, turn=number) for number, key in enumerate(KEYS)}
    again = {key: await stays(match, key, strategy, chance=chance, turn=7 * number) for number, key in enumerate(KEYS)}
    assert before == again
    counts = Counter(before.values())
    assert all(90 < counts[name] < 180 for name in "abc")
    closed = {key: await stays(match, key, strategy, look=standing(b=OPEN), chance=chance) for key in KEYS}
    assert all(closed[key] == name for key, name in before.items() if name != "b")
    moved = Counter(closed[key] for key, name in before.items() if name == "b")
    assert set(moved) == {"a", "c"}


async def test_conversations_are_shared_out_by_weight() -> None:
    match = await match_of(*ABC, targets=[{"weight": 3}, {"weight": 1}, {"weight": 0}])
    counts = Counter([await stays(match, key, "weighted") for key in KEYS])
    assert 250 < counts["a"] < 350
    assert counts["c"] == 0
    assert await stays(match, b"x", "weighted", look=standing(a=OPEN, b=OPEN)) == "c"
    plan = make_plan(match, "chat", strategy="weighted", conversation=b"x")
    assert plan.notes[0].endswith(", one of 2 that are about as good")


@pytest.mark.parametrize(("quality", "peers"), [(80, 3), (75, 2), (70, 2), (69, 1)])
async def test_about_as_good_is_a_tenth_below_the_best(quality: int, peers: int) -> None:
    sizes = [80, quality, 75 if peers == 3 else 10]
    match = await match_of(*(model(name, quality=size) for name, size in zip("abc", sizes, strict=True)))
    firsts = {await stays(match, key, "quality") for key in KEYS[:60]}
    assert len(firsts) == peers


async def test_who_is_closed_still_says_what_is_about_as_good() -> None:
    models = [model(name, quality=size) for name, size in (("a", 90), ("b", 82), ("c", 74), ("d", 70))]
    match = await match_of(*models)
    assert {await stays(match, key, "quality", look=standing(a=OPEN)) for key in KEYS[:60]} == {"b"}
    both = standing(a=OPEN, b=OPEN)
    assert {await stays(match, key, "quality", look=both) for key in KEYS[:60]} == {"c", "d"}
    plan = make_plan(match, "chat", strategy="quality", conversation=b"x", look=both)
    assert [one.model for one in plan.candidates[2:]] in (["a", "b"], ["b", "a"])
    assert make_plan(match, "chat", strategy="quality", conversation=b"x", look=standing(a=FULL)).notes == (
        "the conversation stays with p/b, one of 2 that are about as good",
    )


async def test_the_next_best_stay_among_themselves_and_are_compared_with_each_other() -> None:
    models = [model(name, quality=size) for name, size in (("a", 90), ("b", 82), ("c", 70), ("d", 0))]
    both = standing(a=OPEN, b=OPEN)
    assert {await stays(await match_of(*models), key, "quality", look=both) for key in KEYS[:20]} == {"c"}


async def test_under_priority_everybody_stays_with_the_first() -> None:
    match = await match_of(*ABC)
    assert {await stays(match, key, "priority") for key in KEYS[:20]} == {"a"}
    assert await stays(match, b"x", "priority", look=standing(a=OPEN)) == "b"
    plan = make_plan(match, "chat", strategy="priority", conversation=b"x", needs=Needs(tools=True))
    assert plan.notes == ()


async def test_floors_and_preferences_come_before_conversations() -> None:
    models = [model("a", quality=80), model("b", quality=80), model("c", quality=10)]
    match = await match_of(*models)
    assert {await stays(match, key, "smart", call=said("Prove it.")) for key in KEYS[:40]} == {"a", "b"}
    liked = Preference(("p/c",), "quality")
    assert {await stays(match, key, "preference", preference=liked) for key in KEYS[:20]} == {"c"}


# Exploration.


def idle(**seconds: float) -> Expect:
    """Everything is as fast; these have not been asked for so long, and others just now."""
    return lambda _target, name: PRIOR._replace(idle=seconds.get(name, 0.0), seen=5.0)


@pytest.mark.parametrize("strategy", ["latency", "performance", "balanced", "smart", "preference"])
@pytest.mark.parametrize(
    ("drawn", "seconds", "first"),
    [
        (0.0, math.inf, "c"),
        (EXPLORED - 1e-9, math.inf, "c"),
        (EXPLORED, math.inf, "a"),
        (0.0, IDLE_SECONDS + 1, "c"),
        (0.0, IDLE_SECONDS, "a"),
    ],
)
async def test_who_was_not_asked_for_long_goes_first_at_times(
    strategy: str, drawn: float, seconds: float, first: str
) -> None:
    match = await match_of(*ABC)
    plan = make_plan(match, "chat", strategy=strategy, expect=idle(c=seconds), chance=draws(drawn), call=said("hi"))
    assert tried(plan)[0] == first
    assert sorted(tried(plan)) == ["a", "b", "c"]
    assert (plan.notes[-1:] == ("p/c was not asked for long, and is tried out",)) == (first == "c")


@pytest.mark.parametrize(("drawn", "first"), [(0.0, "b"), (0.0099, "b"), (0.0101, "c"), (0.0199, "c")])
async def test_the_same_draw_says_which(drawn: float, first: str) -> None:
    match = await match_of(*ABC)
    plan = make_plan(match, "chat", strategy="latency", expect=idle(b=math.inf, c=math.inf), chance=draws(drawn))
    assert tried(plan)[0] == first


@pytest.mark.parametrize("strategy", ["cost", "quality", "capability", "round-robin"])
async def test_what_does_not_weigh_time_tries_nobody_out(strategy: str) -> None:
    plan = make_plan(await match_of(*ABC), "chat", strategy=strategy, expect=idle(c=math.inf), chance=draws())
    assert tried(plan)[0] == "a"


@pytest.mark.parametrize("how", [OPEN, FULL, UNWELL])
async def test_only_who_can_be_asked_now_is_tried_out(how: Standing) -> None:
    match = await match_of(*ABC)
    plan = make_plan(
        match, "chat", strategy="latency", expect=idle(c=math.inf), chance=draws(0.0), look=standing(c=how)
    )
    assert tried(plan)[0] == "a"
    everybody = standing(a=how, b=how, c=how)
    plan = make_plan(match, "chat", strategy="latency", expect=idle(c=math.inf), chance=draws(0.0), look=everybody)
    assert plan.candidates[0].model == "a"


async def test_nobody_below_the_floor_and_no_conversation_is_tried_out() -> None:
    match = await match_of(model("a", quality=80), model("b", quality=10))
    expect = idle(b=math.inf)
    plan = make_plan(match, "chat", strategy="smart", expect=expect, chance=draws(0.0), call=said("Prove it."))
    assert tried(plan)[0] == "a"
    plan = make_plan(
        match, "chat", strategy="latency", expect=expecting(a=1.0, b=9.0), chance=draws(), conversation=b"x"
    )
    assert tried(plan)[0] == "a"


async def test_the_second_of_two_is_tried_out() -> None:
    match = await match_of(model("a"), model("b"))
    assert tried(make_plan(match, "chat", strategy="latency", expect=idle(b=math.inf), chance=draws(0.0))) == ["b", "a"]


async def test_a_lone_target_is_not_tried_out() -> None:
    plan = make_plan(await match_of(model("a")), "chat", strategy="latency", chance=draws(0.0))
    assert (tried(plan), plan.notes) == (["a"], ())


async def test_at_most_one_request_in_fifty_tries_a_target_out() -> None:
    match = await match_of(*ABC)
    chance = random.Random(5).random
    firsts = Counter(
        tried(make_plan(match, "chat", strategy="latency", expect=idle(b=math.inf, c=math.inf), chance=chance))[0]
        for _ in range(5000)
    )
    assert 50 < firsts["b"] + firsts["c"] < 150  # seeded; of 100 expected


# Whatever comes.


@settings(max_examples=60)
@given(
    strategy=st.sampled_from(STRATEGIES),
    standings=st.lists(st.sampled_from([Standing(), OPEN, FULL, UNWELL]), min_size=3, max_size=3),
    needs=st.builds(
        Needs,
        tools=st.booleans(),
        vision=st.booleans(),
        json=st.just(False),
        audio=st.just(False),
        embeddings=st.booleans(),
        stream=st.booleans(),
        prompt_tokens=st.integers(0, 300),
        max_output=st.just(9),
        likely_output=st.just(9),
        window=st.integers(0, 300),
    ),
    drawn=st.floats(0, 1, exclude_max=True),
    conversation=st.sampled_from([b"", b"x", b"y"]),
)
async def test_each_target_is_in_a_plan_once_and_all_that_can_be_asked_are(
    strategy: str, standings: Sequence[Standing], needs: Needs, drawn: float, conversation: bytes
) -> None:
    if not _matches:
        _matches.append(
            await match_of(
                model("a", "1", capabilities=["chat", "tools"], contextWindow=100),
                model("b", contextWindow=200),
                model("c", "2", quality=70),
            )
        )
    [match] = _matches
    how = dict(zip("abc", standings, strict=True))
    plan = make_plan(
        match,
        "chat",
        strategy=strategy,
        needs=needs,
        look=standing(**how),
        chance=lambda: drawn,
        conversation=conversation,
        call=said("Prove it."),
    )
    assert sorted(one.model for one in plan.candidates) == ["a", "b", "c"]
    names = [one.model for one in plan.candidates if not one.left_out]
    assert [one.model for one in plan.candidates][: len(names)] == names
    ranks = [0 if how[name] == Standing() else 1 if how[name] == FULL else 2 for name in names]
    assert ranks == sorted(ranks)
    can = {name for name in "abc" if how[name] != OPEN and not (name == "a" and (needs.vision or needs.embeddings))}
    assert set(names) <= can
    assert bool(names) == bool(can)
    assert not any(how[name] == OPEN for name in names)


_matches: list[Match] = []


async def test_straight_plans_are_kept_for_as_many_names_as_are_bound() -> None:
    match = await match_of(model("m"), targets=[{"model": None}], models=["*"])
    first = make_plan(match, "a")
    make_plan(match, "b")
    assert make_plan(match, "a") is first
    assert make_plan(match, "a", needs=Needs(embeddings=True)) is not first
    for number in range(1100):
        make_plan(match, f"m{number}")
    assert 0 < len(match.route.straight) <= 1024
