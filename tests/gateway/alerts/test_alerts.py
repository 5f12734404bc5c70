"""What is told of events, when they come one by one and when they come in a storm."""

import io
import json

from sluice_gateway.alerts.alerts import PAUSE_SECONDS, Alerts
from sluice_gateway.alerts.event import Field, Kind
from sluice_gateway.telemetry.log import LineWriter, make_logger
from tests.support.moving_time import MovingTime

OPEN: Kind = "breaker_open"
CLOSED: Kind = "breaker_closed"


class Told:
    """Alerts, and what they tell: ``posted`` has moments and kinds."""

    def __init__(self) -> None:
        self.time = MovingTime()
        self.posted: list[tuple[float, Kind]] = []
        self.fields: list[dict[str, Field]] = []
        self.closed = False
        self.file = io.BytesIO()
        self.lines = LineWriter(self.file)
        self.alerts = Alerts(make_logger(self.lines), self.time.clock, self, sleep=self.time.sleep)

    def post(self, kind: Kind, fields: dict[str, Field]) -> None:
        self.posted.append((self.time.clock() - 1000.0, kind))
        self.fields.append(fields)

    async def close(self) -> None:
        self.closed = True

    async def breaker(self, *kinds: Kind, after: float = 0.0) -> None:
        """News of one breaker, each so many seconds after the one before."""
        for kind in kinds:
            await self.time.move(after)
            self.alerts.event(kind, provider="a/p", model="m")
            await self.time.settle()


async def test_an_event_is_logged_and_posted() -> None:
    told = Told()
    told.alerts.event("provider_unhealthy", provider="a/p", reason="status 503")
    told.lines.flush()
    line = json.loads(told.file.getvalue())
    assert line.pop("time")
    assert line == {
        "event": "alert",
        "level": "warning",
        "kind": "provider_unhealthy",
        "provider": "a/p",
        "reason": "status 503",
    }
    assert told.fields == [{"provider": "a/p", "reason": "status 503"}]


async def test_without_a_webhook_events_are_logged() -> None:
    file = io.BytesIO()
    lines = LineWriter(file)
    alerts = Alerts(make_logger(lines), MovingTime().clock)
    alerts.event("state_store_away")
    lines.flush()
    assert b'"kind":"state_store_away"' in file.getvalue()
    await alerts.close()


async def test_the_same_event_is_told_once_a_minute() -> None:
    told = Told()
    await told.breaker(*[OPEN] * 13, after=10.0)
    assert told.posted == [(10.0, "breaker_open"), (70.0, "breaker_open"), (130.0, "breaker_open")]
    assert PAUSE_SECONDS == 60.0
    assert told.time.sleeping == []


async def test_subjects_are_told_of_each_for_itself() -> None:
    told = Told()
    for model in ("m", "n"):
        told.alerts.event("breaker_open", provider="a/p", model=model)
    told.alerts.event("provider_unhealthy", provider="a/p", reason="x")
    told.alerts.event("provider_unhealthy", provider="a/q", reason="x")
    told.alerts.event("provider_unhealthy", provider="a/q", reason="y")
    assert [kind for _, kind in told.posted] == ["breaker_open"] * 2 + ["provider_unhealthy"] * 2


async def test_there_and_back_is_told_at_once() -> None:
    told = Told()
    await told.breaker("breaker_open", "breaker_closed", after=1.0)
    assert told.posted == [(1.0, "breaker_open"), (2.0, "breaker_closed")]


async def test_the_last_that_is_heard_is_true() -> None:
    told = Told()
    await told.breaker("breaker_open", "breaker_closed", "breaker_open", after=1.0)
    await told.time.move(57.9)
    assert len(told.posted) == 2
    await told.time.move(0.1)
    assert told.posted[2:] == [(61.0, "breaker_open")]
    await told.time.move(1000)
    assert len(told.posted) == 3


async def test_what_has_passed_before_its_time_is_not_told() -> None:
    told = Told()
    await told.breaker("breaker_open", "breaker_closed", "breaker_open", "breaker_closed", after=1.0)
    await told.time.move(1000)
    assert told.posted == [(1.0, "breaker_open"), (2.0, "breaker_closed")]


async def test_of_events_that_wait_the_newest_is_told_once() -> None:
    told = Told()
    await told.breaker("breaker_open", "breaker_closed", after=1.0)
    for seconds in (10, 20):
        told.alerts.event("breaker_open", provider="a/p", model="m", seconds=seconds)
    await told.time.move(100)
    assert told.posted[2:] == [(61.0, "breaker_open")]
    assert told.fields[-1]["seconds"] == 20


async def test_flapping_is_no_storm() -> None:
    told = Told()
    await told.breaker(*[OPEN, CLOSED] * 300, after=0.5)
    assert len(told.posted) <= 2 * 6


async def test_the_end_tells_nothing_more() -> None:
    told = Told()
    await told.breaker("breaker_open", "breaker_closed", "breaker_open", after=1.0)
    await told.alerts.close()
    await told.time.move(100)
    assert len(told.posted) == 2
    assert told.closed


async def test_names_that_callers_make_up_do_not_fill_the_memory() -> None:
    told = Told()
    await told.breaker("breaker_open", "breaker_closed", "breaker_open")
    for number in range(4096):
        told.alerts.event("breaker_open", provider="a/p", model=f"made-up-{number}")
    await told.time.settle()
    assert told.time.sleeping == []  # the oldest was forgotten, with what waited
    assert len(told.posted) == 2 + 4096
