"""How limits are written: names of counters, windows around the server's clock, and what a settlement says."""

from dataclasses import replace

import hiredis
import pytest

from sluice_gateway.limits.contract import Charge, Granted, Limit, Refused, Unit
from sluice_gateway.limits.windows import bounds
from sluice_gateway.state.counters import CLOCK_SECONDS, MOST_TOLD, Counters, Mark, Settlement, Taken

NOON = 1_800_014_400  # a full hour
CALLS = Limit("ModelRoute/a/chat", "calls", Unit.REQUESTS, 5, "hour", consumer="alice")
DAYS = Limit("ModelRoute/a/chat", "days", Unit.TOKENS, 500, "day", zone="Europe/Berlin")
FLOW = Limit("ProviderPolicy/a/p", "flow", Unit.TOKENS, 60)
STREAMS = Limit("ProviderPolicy/a/p", "streams", Unit.PLACES, 2, consumer="")


@pytest.fixture
def counters() -> Counters:
    return Counters("a/gateway", "pod")


@pytest.mark.parametrize(
    ("limit", "kind", "key"),
    [
        (CALLS, "window", "{sluice/a/gateway/ModelRoute/a/chat}requests/calls/hour/UTC/alice"),
        (DAYS, "window", "{sluice/a/gateway/ModelRoute/a/chat}tokens/days/day/Europe/Berlin/"),
        (FLOW, "bucket", "{sluice/a/gateway/ProviderPolicy/a/p}tokens/flow/"),
        (STREAMS, "places", "{sluice/a/gateway/ProviderPolicy/a/p}concurrent/streams/"),
    ],
)
def test_counters_of_one_holder_are_in_one_place(counters: Counters, limit: Limit, kind: str, key: str) -> None:
    found = counters.of(limit)
    assert (found.kind, found.key, found.most) == (kind, key, limit.most)
    assert found.key.startswith(f"{{{found.holder}}}")
    assert counters.of(limit) is found


@pytest.mark.parametrize("away", [0, 0.001, 29.9, 30, 31, 1800, 3569.9, 3570, 3599.9])
def test_a_clock_that_is_somewhat_off_finds_its_window(counters: Counters, away: float) -> None:
    ours = NOON + away
    start, middle, end = counters.window("hour", "UTC", ours)
    assert (middle - start, end - middle) == (3600, 3600)
    for server in (ours - CLOCK_SECONDS, ours, ours + CLOCK_SECONDS - 0.001):
        assert start <= server < end
    assert counters.window("hour", "UTC", ours) is counters.window("hour", "UTC", ours)


def test_windows_move_on(counters: Counters) -> None:
    assert counters.window("hour", "UTC", NOON + CLOCK_SECONDS - 0.1)[1] == NOON
    assert counters.window("hour", "UTC", NOON + CLOCK_SECONDS)[0] == NOON
    assert counters.window("hour", "UTC", NOON + CLOCK_SECONDS - 0.1)[1] == NOON  # also back


def test_a_day_is_that_of_its_zone(counters: Counters) -> None:
    start, middle, end = counters.window("day", "Europe/Berlin", NOON)
    assert (start, middle) == bounds("day", "Europe/Berlin", NOON)
    assert (middle, end) == bounds("day", "Europe/Berlin", middle)


def read(command: bytes) -> list[str]:
    """What the server sees, after the word and the name of the script."""
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(command)
    name, _, *rest = reader.gets()
    assert name == "EVALSHA"
    assert not reader.has_data()
    return [*rest]


def words(*some: str | int) -> list[str]:
    return [*map(str, some)]


def test_a_question_has_all_that_the_script_wants(counters: Counters) -> None:
    charges = (Charge(FLOW, 7), Charge(STREAMS, 1), Charge(CALLS, 12))
    form = counters.form(charges)
    assert read(counters.reserve(form, charges, "pod:1", NOON + 100, 12345)) == [
        *("3", *(counters.of(one.limit).key for one in charges)),
        *words(12345, "pod:1", 7, 1, 12, 60_000),
        *words("bucket", 60, 0, 0, 0),
        *words("places", 2, 0, 0, 0),
        *words("window", 5, NOON, NOON + 3600, NOON + 7200),
    ]
    assert form.places == (counters.of(STREAMS),)
    assert form.tokens == (0,)


def test_what_is_asked_again_is_found_again(counters: Counters) -> None:
    form = counters.form([Charge(CALLS, 1), Charge(DAYS, 50)])
    assert counters.form((Charge(CALLS, 2), Charge(DAYS, 70))) is form
    assert counters.form([Charge(CALLS, 1)]) is not form
    assert counters.form([Charge(DAYS, 1), Charge(CALLS, 1)]) is not form
    changed = replace(CALLS, most=6)
    assert counters.form([Charge(changed, 1), Charge(DAYS, 50)]).counters == (counters.of(changed), counters.of(DAYS))


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (NOON + CLOCK_SECONDS, NOON),
        (NOON + 3600 + CLOCK_SECONDS - 0.1, NOON),
        (NOON + 3600 + CLOCK_SECONDS, NOON + 3600),
        (NOON + CLOCK_SECONDS - 0.1, NOON - 3600),
    ],
)
def test_a_question_names_the_windows_of_its_time(counters: Counters, now: float, start: int) -> None:
    charges = (Charge(DAYS, 1), Charge(CALLS, 1))
    counters.reserve(form := counters.form(charges), charges, "", NOON + 100, 1)
    assert read(counters.reserve(form, charges, "", now, 1))[-3:] == words(start, start + 3600, start + 7200)


def test_answers_are_read(counters: Counters) -> None:
    charges = (Charge(CALLS, 1), Charge(DAYS, 50))
    form = counters.form(charges)
    granted = counters.taken(form, charges, "x", [0, 1, 0, 4, 1500, NOON, 77, 0, 2000, NOON, 88])
    assert isinstance(granted, Granted)
    assert [(one.limit, one.remaining, one.reset) for one in granted.levels] == [(CALLS, 4, 1.5), (DAYS, 0, 2.0)]
    assert isinstance(granted.key, Taken)
    assert granted.key.lease == "x"
    assert granted.key.mark(0) == Mark(counters.of(CALLS), NOON, 77)
    assert granted.key.mark(1) == Mark(counters.of(DAYS), NOON, 88)
    refused = counters.taken(form, charges, "", [2, 1, 2500, 4, 1500, NOON, 77, 0, 2000, NOON, 88])
    assert isinstance(refused, Refused)
    assert (refused.limit, refused.retry_after) == (DAYS, 2.5)
    never = counters.taken(form, charges, "", [1, 1, -1, 4, 1500, NOON, 77, 0, 2000, NOON, 88])
    assert isinstance(never, Refused)
    assert (never.limit, never.retry_after) == (CALLS, None)


def test_a_settlement_names_what_it_corrects(counters: Counters) -> None:
    calls, flow, streams = counters.of(CALLS), counters.of(FLOW), counters.of(STREAMS)
    settlement = Settlement("holder")
    assert not settlement
    settlement.add(Mark(calls, NOON, 77), 5)
    settlement.add(Mark(calls, NOON, 77), -2)
    settlement.add(Mark(calls, NOON - 3600, 66), 9)  # over
    settlement.add(Mark(flow, 0, 55), -4)
    settlement.held[streams] = ["pod:1", "pod:2"]
    settlement.freed[streams] = ["pod:3"]
    assert settlement
    settlement.add(Mark(calls, NOON + 3600, 0), 2)
    assert read(counters.settle(9, settlement, NOON + 100)) == [
        *("6", "{holder}pod/pod", calls.key, flow.key, calls.key, streams.key, streams.key),
        *words(9, 172_800_000),
        *words("window", 5, NOON, NOON + 3600, 77, 3),
        *words("bucket", 60, 0, 0, 55, -4),
        *words("window", 5, NOON + 3600, NOON + 7200, 0, 2),
        *words("hold", 0, 0, 60_000, 0, "pod:1 pod:2"),
        *words("free", 0, 0, 60_000, 0, "pod:3"),
    ]


def test_what_evens_out_is_nothing_to_tell(counters: Counters) -> None:
    settlement = Settlement("holder")
    settlement.add(Mark(counters.of(FLOW), 0, 1), 3)
    settlement.add(Mark(counters.of(FLOW), 0, 1), -3)
    assert not settlement


def test_a_settlement_of_many_counters_is_told_in_parts(counters: Counters) -> None:
    found = [counters.of(replace(FLOW, consumer=str(number))) for number in range(MOST_TOLD)]
    settlement = Settlement("holder", amounts={Mark(one, 0, 0): 1 for one in found})
    assert list(settlement.parts()) == [settlement]
    settlement.held[counters.of(STREAMS)] = ["a"]
    settlement.freed[counters.of(STREAMS)] = ["b", "c"]
    settlement.add(Mark(counters.of(FLOW), 0, 0), 5)
    parts = list(settlement.parts())
    assert [part.size for part in parts] == [MOST_TOLD, 1, 1, 1]
    assert {part.holder for part in parts} == {"holder"}
    assert parts[0].amounts | parts[1].amounts == settlement.amounts
    assert (parts[2].held, parts[3].freed) == (settlement.held, settlement.freed)
