"""Calendar windows, also where clocks are changed. Expected instants are written in the zone's own time."""

from datetime import UTC, datetime
from importlib import resources
from typing import get_args
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.limits.contract import Span
from sluice_gateway.limits.windows import bounds

ZONES = (resources.files("tzdata") / "zones").read_text().split()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def window(span: Span, zone: str, wall: str) -> tuple[str, str]:
    start, end = bounds(span, zone, at(wall))
    return (datetime.fromtimestamp(start, UTC).isoformat(), datetime.fromtimestamp(end, UTC).isoformat())


@pytest.mark.parametrize(
    ("span", "zone", "wall", "start", "end"),
    [
        ("minute", "UTC", "2026-05-01T10:20:30.5Z", "2026-05-01T10:20Z", "2026-05-01T10:21Z"),
        ("minute", "UTC", "2026-05-01T10:20:00Z", "2026-05-01T10:20Z", "2026-05-01T10:21Z"),
        ("hour", "UTC", "2026-05-01T10:59:59.9Z", "2026-05-01T10:00Z", "2026-05-01T11:00Z"),
        ("hour", "Asia/Kolkata", "2026-05-01T10:59:59Z", "2026-05-01T10:00Z", "2026-05-01T11:00Z"),
        ("day", "UTC", "2026-05-01T00:00:00Z", "2026-05-01T00:00Z", "2026-05-02T00:00Z"),
        ("day", "UTC", "2026-04-30T23:59:59.9Z", "2026-04-30T00:00Z", "2026-05-01T00:00Z"),
        ("day", "Asia/Kolkata", "2026-05-01T18:29:59Z", "2026-05-01T00:00+05:30", "2026-05-02T00:00+05:30"),
        ("day", "Asia/Kolkata", "2026-05-01T18:30:00Z", "2026-05-02T00:00+05:30", "2026-05-03T00:00+05:30"),
        ("month", "UTC", "2026-02-28T23:59:59Z", "2026-02-01T00:00Z", "2026-03-01T00:00Z"),
        ("month", "UTC", "2024-02-29T12:00:00Z", "2024-02-01T00:00Z", "2024-03-01T00:00Z"),
        ("month", "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("month", "America/Los_Angeles", "2026-06-01T06:59:59Z", "2026-05-01T00:00-07:00", "2026-06-01T00:00-07:00"),
        ("month", "America/Los_Angeles", "2026-06-01T07:00:00Z", "2026-06-01T00:00-07:00", "2026-07-01T00:00-07:00"),
        ("month", "Europe/Berlin", "2026-03-30T00:00:00Z", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        # days of 23 and of 25 hours
        ("day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        # midnight is left out: the day begins at one
        ("day", "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"),
        ("day", "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T00:00-03:00", "2018-11-04T01:00-02:00"),
        # at 24:00 it is 23:00 again, of the same day
        ("day", "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00"),
        # midnight comes twice, and the day began with the first
        ("day", "America/Havana", "2025-11-02T05:30:00Z", "2025-11-02T00:00-04:00", "2025-11-03T00:00-05:00"),
        # at 0:01 it was 23:01 of the day before: the day that has begun goes on
        ("day", "America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"),
        ("day", "America/St_Johns", "2010-11-07T02:29:59Z", "2010-11-06T00:00-02:30", "2010-11-07T00:00-02:30"),
        # from 23:30 clocks went to 0:30, and the first instant that can be named is half an hour later
        ("day", "America/Toronto", "1919-03-31T04:45:00Z", "1919-03-30T00:00-05:00", "1919-03-31T01:00-04:00"),
        # a day that was left out
        ("day", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
        ("day", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"),
    ],
)
def test_windows(span: Span, zone: str, wall: str, start: str, end: str) -> None:
    assert bounds(span, zone, at(wall)) == (at(start), at(end))


@given(
    st.sampled_from(get_args(Span)),
    st.sampled_from([zone for zone in ZONES if zone != "Factory"]),
    st.floats(at("1900-01-01T00:00Z"), at("2100-01-01T00:00Z")),
)
def test_each_instant_lies_in_one_window(span: Span, zone: str, wall: float) -> None:
    start, end = bounds(span, zone, wall)
    assert start <= wall < end
    assert bounds(span, zone, start) == bounds(span, zone, end - 1) == (start, end)
    assert bounds(span, zone, end)[0] == end
    assert bounds(span, zone, start - 1)[1] == start


@pytest.mark.parametrize("span", ["day", "month"])
def test_a_zone_that_does_not_exist(span: Span) -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        bounds(span, "Europe/Bielefeld", 0.0)
