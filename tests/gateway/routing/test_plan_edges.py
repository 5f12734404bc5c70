"""Plans at the edges: exact amounts, what candidates are known for, whom a note names."""

import math

import pytest

from sluice_gateway.routing.needs import Needs
from sluice_gateway.routing.plan import make_plan
from sluice_gateway.routing.standing import Standing
from sluice_gateway.routing.table import Target
from tests.gateway.routing.test_plan import ABC, FULL, OPEN, UNWELL, idle
from tests.support.plans import match_of, model, standing, tried


@pytest.mark.parametrize("strategy", ["priority", "cost"])
async def test_looks_are_for_prompt_and_answer_together(strategy: str) -> None:
    asked = []

    def look(_target: Target, _name: str, tokens: int) -> Standing:
        asked.append(tokens)
        return Standing()

    make_plan(
        await match_of(model("a")), "chat", strategy=strategy, needs=Needs(prompt_tokens=7, max_output=5), look=look
    )
    assert set(asked) == {12}


async def test_plans_are_kept_for_1024_names() -> None:
    match = await match_of(model("m"), targets=[{"model": None}], models=["*"])
    plans = [make_plan(match, f"m{number}") for number in range(1024)]
    assert make_plan(match, "m0") is plans[0]
    make_plan(match, "another")
    assert make_plan(match, "m0") is not plans[0]
    assert len(match.route.straight) == 2


async def test_a_candidate_says_what_is_against_it() -> None:
    able = await match_of(model("a", capabilities=["chat"]), model("b"))
    small = await match_of(model("a", contextWindow=10), model("b", contextWindow=100))
    for match, needs in ((able, Needs(tools=True)), (small, Needs(window=50))):
        first, second = make_plan(match, "chat", needs=needs).candidates
        assert (first.model, first.unable, first.stands_well) == ("b", False, True)
        assert (second.model, second.unable, second.stands_well) == ("a", True, False)
    plan = make_plan(await match_of(*ABC), "chat", look=standing(a=OPEN, b=FULL, c=UNWELL))
    assert [(one.model, one.unable, one.stands_well) for one in plan.candidates] == [
        ("b", False, False),
        ("c", False, False),
        ("a", False, False),
    ]


async def test_a_wait_alone_puts_nobody_behind() -> None:
    plan = make_plan(await match_of(*ABC), "chat", strategy="cost", look=standing(a=Standing(wait=1.0)))
    assert tried(plan) == ["a", "b", "c"]


async def test_without_a_draw_the_heaviest_comes_first() -> None:
    match = await match_of(*ABC, targets=[{"weight": 1}, {"weight": 3}, {"weight": 2}])
    assert tried(make_plan(match, "chat", strategy="weighted")) == ["b", "c", "a"]


async def test_the_first_is_not_said_to_be_tried_out() -> None:
    plan = make_plan(await match_of(*ABC), "chat", strategy="latency", expect=idle(a=math.inf), chance=lambda: 0.0)
    assert (tried(plan)[0], plan.notes) == ("a", ())


async def test_a_conversation_is_said_to_stay_with_the_first_that_can_be_asked_now() -> None:
    match = await match_of(*ABC)
    for number in range(20):
        key = b"conversation %d" % number
        [usual, *_] = tried(make_plan(match, "chat", strategy="balanced", conversation=key))
        plan = make_plan(match, "chat", strategy="balanced", conversation=key, look=standing(**{usual: FULL}))
        assert tried(plan)[0] != usual
        assert plan.notes == (f"the conversation stays with p/{tried(plan)[0]}, one of 3 that are about as good",)
