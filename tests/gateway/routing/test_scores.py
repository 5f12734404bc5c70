"""What strategies measure targets by: the formulas of docs/routing.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.providers.provider import Traits
from sluice_gateway.routing import scores
from sluice_gateway.routing.needs import Needs
from sluice_gateway.telemetry.target_figures import Expected

AMOUNTS = st.floats(0, 1e6)
PRICED = Traits(input_price=0.001, output_price=0.002)
SEEN = Expected(first_byte=0.5, total=3.0, per_token=0.01, success=0.8, seen=5.0, idle=1.0)


@pytest.mark.parametrize(
    ("traits", "needs", "cost"),
    [
        (PRICED, Needs(prompt_tokens=10, likely_output=100, max_output=900), 0.21),
        (PRICED, Needs(prompt_tokens=10), 0.01),
        (PRICED, Needs(likely_output=100), 0.2),
        (PRICED, Needs(), 0.0),
        (Traits(input_price=0.0, output_price=0.0), Needs(prompt_tokens=10, likely_output=100), 0.0),
        (Traits(input_price=0.001), Needs(prompt_tokens=10, likely_output=100), None),
        (Traits(output_price=0.002), Needs(prompt_tokens=10, likely_output=100), None),
        (Traits(input_price=0.001), Needs(prompt_tokens=10), 0.01),
        (Traits(output_price=0.002), Needs(likely_output=100), 0.2),
    ],
)
def test_a_request_costs_what_its_tokens_do(traits: Traits, needs: Needs, cost: float | None) -> None:
    assert scores.dollars(traits, needs) == (cost if cost is None else pytest.approx(cost))


def test_what_costs_twice_as_much_scores_about_half() -> None:
    assert scores.cheapness(0.5, 0.5) == 1.0
    assert scores.cheapness(1.0, 0.5) == pytest.approx(0.5, abs=1e-5)
    assert scores.cheapness(None, 0.5) == 0.0
    assert scores.cheapness(0.0, 0.0) == 1.0
    assert scores.cheapness(scores.DOLLAR_GRAIN, 0.0) == 0.5


def test_what_takes_twice_as_long_scores_about_half() -> None:
    assert scores.speed(3.0, 3.0) == 1.0
    assert scores.speed(6.0, 3.0) == pytest.approx(0.5, abs=1e-3)
    assert scores.speed(scores.SECOND_GRAIN, 0.0) == 0.5


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_more_never_scores_higher(best: float, one: float, other: float) -> None:
    best, one, other = sorted((best, one, other))
    for score in (scores.cheapness, scores.speed):
        assert 0 <= score(other, best) <= score(one, best) <= 1


def test_the_wait_is_for_the_first_byte_of_a_stream_and_for_all_of_an_answer() -> None:
    assert scores.wait(SEEN, Needs(stream=True)) == 0.5
    assert scores.wait(SEEN, Needs()) == 3.0


@pytest.mark.parametrize(("success", "seconds"), [(1.0, 1.5), (0.5, 3.0), (0.01, 150.0), (0.0, 150.0)])
def test_an_answer_takes_its_tokens_and_the_attempts_that_fail(success: float, seconds: float) -> None:
    expected = SEEN._replace(success=success)
    assert scores.until_done(expected, Needs(likely_output=100, max_output=5)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("names", "complete", "asked", "coverage"),
    [
        (("tools",), True, (), 1.0),
        (("tools",), True, ("tools", "vision"), 0.5),
        (("tools",), False, ("tools", "vision"), 0.75),
        ((), False, ("tools",), 0.5),
        (("tools", "vision"), False, ("tools", "vision"), 1.0),
        (("tools",), True, ("vision",), 0.0),
    ],
)
def test_coverage(names: tuple[str, ...], complete: bool, asked: tuple[str, ...], coverage: float) -> None:
    assert scores.coverage(Traits(capabilities=frozenset(names), complete=complete), asked) == coverage


@pytest.mark.parametrize(("size", "window", "room"), [(100, 0, 1.0), (100, 25, 0.75), (100, 100, 0.0), (100, 101, 0.0)])
def test_headroom(size: int, window: int, room: float) -> None:
    assert scores.headroom(Traits(context_window=size), window) == room
    assert scores.headroom(Traits(), window) == 0.5


def test_breadth() -> None:
    every = frozenset({"chat", "tools", "vision", "audio", "json", "embeddings", "reasoning"})
    assert scores.breadth(Traits(capabilities=every)) == 1.0
    assert scores.breadth(Traits(capabilities=frozenset({"chat"}))) == pytest.approx(1 / 7)
    assert scores.breadth(Traits()) == 0.25


def test_a_capability_score_is_a_mean_of_three() -> None:
    traits = Traits(capabilities=frozenset({"chat"}), context_window=100, complete=True)
    assert scores.capability(traits, ("chat", "tools"), 20) == pytest.approx(0.6 * 0.5 + 0.25 * 0.8 + 0.15 / 7)
    assert pytest.approx(1) == scores.COVERAGE + scores.HEADROOM + scores.BREADTH


@pytest.mark.parametrize(("quality", "rating"), [(None, 50), (0, 0), (49, 49), (100, 100)])
def test_an_unknown_quality_is_a_middling_one(quality: int | None, rating: int) -> None:
    assert scores.rating(Traits(quality=quality)) == rating
