"""Calendar windows: when the minute, hour, day or month began in which an instant lies, and when it ends."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sluice_gateway.limits.contract import Span

_SECONDS = {"minute": 60, "hour": 3600}


def bounds(span: Span, zone: str, wall: float) -> tuple[int, int]:
    """The window ``[start, end)`` that holds ``wall``; all are seconds since 1970.

    Minutes and hours begin everywhere at once, as they do in UTC. Days and months begin with their first instant in the
    IANA time zone ``zone``, and are longer or shorter where its clocks are changed: each instant lies in exactly one.

    Raises ZoneInfoNotFoundError for a zone that does not exist; the resources are checked for that.
    """
    if (seconds := _SECONDS.get(span)) is not None:
        start = int(wall // seconds) * seconds
        return start, start + seconds
    where = ZoneInfo(zone)
    first, following = _FIRST[span], _FOLLOWING[span]
    day = first(datetime.fromtimestamp(wall, where).date())
    start, end = _begin(day, where), _begin(following(day), where)
    if wall >= end:  # clocks went back over midnight: the new day has begun, and goes on
        return end, _begin(following(following(day)), where)
    if wall < start:  # clocks went ahead over midnight
        return _begin(first(day - timedelta(days=1)), where), start
    return start, end


def _begin(day: date, zone: ZoneInfo) -> int:
    """The first instant of a day. Where clocks went ahead at midnight, it is that instant (PEP 495: ``fold`` 0 reads a
    time that was left out by the offset before).
    """
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _next_month(day: date) -> date:
    return (day + timedelta(days=31)).replace(day=1)  # from a month's first day


def _same(day: date) -> date:
    return day


_FIRST: dict[Span, Callable[[date], date]] = {"day": _same, "month": _first_of_month}
_FOLLOWING: dict[Span, Callable[[date], date]] = {"day": _next_day, "month": _next_month}
