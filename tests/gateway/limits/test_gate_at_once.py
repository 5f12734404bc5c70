"""Places at a gate without waiting: where the counters are at hand, and where they were asked ahead."""

import pytest

from sluice_gateway.limits.contract import Charge, Granted, Limit, Unit, Used
from sluice_gateway.limits.gate import Ahead, Gate
from tests.gateway.limits.test_gate import OUT_OF_REQUESTS, PLENTY, Site
from tests.support.limits import FarStore, Wall

HOLDER = "ProviderPolicy/default/p"
REQUESTS = Limit(HOLDER, "requestsPerMinute", Unit.REQUESTS, 2)
TOKENS = Limit(HOLDER, "tokensPerMinute", Unit.TOKENS, 100)
PLACES = Limit(HOLDER, "maxConcurrent", Unit.PLACES, 2)
ALL = {"requests_per_minute": 2, "tokens_per_minute": 100, "max_concurrent": 2}


def left(site: Site, limit: Limit) -> int:
    answer = site.store.at_once([Charge(limit, 0)])
    return answer.levels[0].remaining


def word(left_of_it: int) -> dict[str, str]:
    return OUT_OF_REQUESTS | {"x-ratelimit-remaining-requests": str(left_of_it)}


async def test_whoever_steps_in_is_counted_until_he_leaves() -> None:
    site = Site(**ALL)
    place = site.gate.step_in(60, "m")
    assert place is not None
    assert site.seen() == (1, 0)
    assert [left(site, limit) for limit in (REQUESTS, TOKENS, PLACES)] == [1, 40, 1]
    place.leave(Used(10))
    assert site.seen() == (0, 0)
    assert [left(site, limit) for limit in (REQUESTS, TOKENS, PLACES)] == [1, 90, 2]


async def test_a_request_larger_than_the_bucket_takes_all_of_it() -> None:
    site = Site(tokens_per_minute=100)
    assert site.gate.step_in(101, "m") is not None
    assert left(site, TOKENS) == 0


@pytest.mark.parametrize("tokens", [99, 100])
async def test_nobody_steps_in_where_there_is_no_room(tokens: int) -> None:
    site = Site(tokens_per_minute=100)
    assert site.gate.step_in(1, "m") is not None
    assert (site.gate.step_in(tokens, "m") is None) is (tokens == 100)
    assert site.seen() == (2 if tokens == 99 else 1, 0)


async def test_nobody_steps_past_a_line() -> None:
    site = Site(tokens_per_minute=100)
    assert site.gate.step_in(50, "m") is not None
    waiting = await site.queue(80)
    assert site.gate.step_in(1, "m") is None
    assert site.gate.foresee(1, "m") is None
    await site.time.move(30.0)
    assert waiting.done()
    assert site.gate.step_in(1, "m") is not None


async def test_nobody_steps_past_those_who_wait_for_the_providers_word() -> None:
    site = Site(max_concurrent=9)
    site.heed(word(0))
    waiting = await site.queue()
    site.gate._heard.clear()  # its word holds no longer, and the first in line has not looked yet
    assert site.gate.step_in(1, "m") is None
    assert site.gate.foresee(1, "m") is None
    assert site.gate.step_in(1, "another") is not None
    assert foreseen(site, 1, "another") == (Charge(Limit(HOLDER, "maxConcurrent", Unit.PLACES, 9), 1),)
    waiting.cancel()


async def test_the_providers_word_holds_for_who_steps_in() -> None:
    site = Site()
    site.heed(word(1))
    assert not site.gate.is_open
    assert site.gate.step_in(1, "m") is not None
    assert site.gate.step_in(1, "m") is None
    assert site.gate.step_in(1, "another") is not None
    site.heed(PLENTY)
    assert site.gate.is_open


async def ahead(site: Site, tokens: int = 1, model: str = "m") -> Ahead:
    """What is granted ahead."""
    found = site.gate.foresee(tokens, model)
    assert found is not None
    granted = site.store.at_once(found.charges)
    assert isinstance(granted, Granted)
    return found._replace(granted=granted)


def foreseen(site: Site, tokens: int, model: str = "m") -> tuple[Charge, ...] | None:
    found = site.gate.foresee(tokens, model)
    if found is None:
        return None
    site.gate.give_back(found)
    return found.charges


async def test_the_providers_word_is_taken_when_a_place_is_foreseen() -> None:
    site = Site(max_concurrent=9)
    site.heed(word(1))
    first = await ahead(site)
    assert site.gate.foresee(1, "m") is None
    assert site.gate.step_in(1, "m") is None
    place = site.gate.admit(first)
    assert site.seen() == (1, 0)
    assert site.gate.foresee(1, "m") is None
    place.leave(Used())
    assert site.seen() == (0, 0)
    assert left(site, Limit(HOLDER, "maxConcurrent", Unit.PLACES, 9)) == 9


async def test_what_is_given_back_ahead_was_never_taken() -> None:
    site = Site(**ALL)
    site.heed(word(1))
    for _ in range(3):
        site.gate.give_back(await ahead(site, 60))
    assert [left(site, limit) for limit in (REQUESTS, TOKENS, PLACES)] == [2, 100, 2]
    assert site.gate.step_in(60, "m") is not None
    assert site.gate.step_in(1, "m") is None


async def test_the_providers_later_word_holds_for_who_was_reserved_ahead() -> None:
    site = Site(max_concurrent=9)
    site.heed(word(3))
    first = await ahead(site)
    site.heed(word(1))
    site.gate.admit(first)
    assert site.gate.step_in(1, "m") is None


async def test_whoever_waits_is_called_when_something_is_given_back() -> None:
    site = Site(tokens_per_minute=100)
    first = await ahead(site, 90)
    waiting = await site.queue(50)
    await site.refused(50, "another")
    assert site.wait(50) > 0
    site.gate.give_back(first)
    assert site.wait(40) > 0  # for the line
    await site.time.settle()
    assert waiting.done()
    assert site.wait(50) == 0.0


async def test_what_is_foreseen_is_what_is_asked_for() -> None:
    assert foreseen(Site(**ALL), 60) == (Charge(REQUESTS, 1), Charge(PLACES, 1), Charge(TOKENS, 60))
    assert foreseen(Site(tokens_per_minute=100), 101) == (Charge(TOKENS, 100),)
    assert foreseen(Site(), 60) is None


async def test_nothing_is_foreseen_where_there_was_no_room() -> None:
    site = Site(tokens_per_minute=100)
    await site.enter(60)
    await site.refused(50)
    assert site.gate.foresee(50, "m") is None
    assert site.gate.foresee(49, "m") is not None
    await site.time.move(6.0)
    assert site.gate.foresee(50, "m") is not None


async def test_nobody_steps_in_where_somebody_else_has_to_be_asked() -> None:
    site, far = Site(**ALL), FarStore(Wall())
    gate = Gate("default/p", site.gate.policy, far, site.time.clock)
    assert gate.step_in(1, "m") is None
    assert gate.occupancy().inside == 0
    gate.follow(Site().gate.policy)
    gate.heed(word(3).get, site.time.clock(), "m")
    assert gate.step_in(1, "m") is not None  # nothing is counted but the provider's word
    assert far.asked == []
