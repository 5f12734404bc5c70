"""A webhook on loopback that takes events, fails, stalls, is away, and recovers."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from sluice_gateway.alerts.webhook import BACK_OFF, QUEUE, Webhook
from sluice_gateway.telemetry.log import LineWriter, make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.upstream import LeanUpstream
from tests.support.moving_time import MovingTime
from tests.support.upstream import Peer, Request, ScriptedUpstream, answer, serve

STALL = 0


@dataclass
class Receiver:
    """What a webhook does: the statuses that it gives, the last one for ever; STALL for no answer."""

    statuses: list[int]
    upstream: ScriptedUpstream
    webhook: Webhook
    metrics: Metrics
    file: io.BytesIO
    lines: LineWriter
    time: MovingTime
    pauses: list[float]

    def log(self) -> str:
        self.lines.flush()
        return self.file.getvalue().decode()

    def count(self, result: str) -> int:
        lines = self.metrics.render().decode().splitlines()
        [line] = [line for line in lines if line.startswith(f'sluice_alerts_total{{result="{result}"}}')]
        return int(float(line.rsplit(" ", 1)[1]))

    async def idle(self, *, sent: int, dropped: int = 0) -> None:
        """Wait until so many events were sent and dropped, with all the time in the world for pauses."""
        async with asyncio.timeout(5):
            while (self.count("sent"), self.count("dropped")) != (sent, dropped):
                await self.time.move(10)


@contextlib.asynccontextmanager
async def receiver(*statuses: int, seconds: float = 5.0, path: str = "/services/canary") -> AsyncIterator[Receiver]:
    said = list(statuses)

    async def script(peer: Peer, request: Request) -> None:
        status = said.pop(0) if len(said) > 1 else said[0]
        if status == STALL:
            await peer.stall()
        await peer.send(answer(status, b"ok"))

    async with serve(script) as upstream:
        file, time, http, metrics = io.BytesIO(), MovingTime(), LeanUpstream(), Metrics()
        lines, pauses = LineWriter(file), list[float]()

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            await time.sleep(seconds)

        webhook = Webhook(
            upstream.url + path,
            http,
            make_logger(lines),
            metrics,
            {"gateway": "default/g", "pod": "g-1"},
            seconds=seconds,
            sleep=pause,
            wall=lambda: 1_700_000_000.5,
        )
        made = Receiver(said, upstream, webhook, metrics, file, lines, time, pauses)
        try:
            yield made
        finally:
            await webhook.close()
            await http.close()
            assert "canary" not in made.log()


async def test_an_event_comes_as_json() -> None:
    async with receiver(204) as made:
        made.webhook.post("provider_unhealthy", {"provider": "a/p", "reason": "status 503"})
        await made.idle(sent=1)
    [request] = made.upstream.requests
    assert (request.method, request.target) == ("POST", "/services/canary")
    assert request.headers["content-type"] == "application/json"
    assert request.json() == {
        "event": "provider_unhealthy",
        "time": "2023-11-14T22:13:20.500Z",
        "gateway": "default/g",
        "pod": "g-1",
        "provider": "a/p",
        "reason": "status 503",
    }
    assert made.log() == ""


async def test_events_come_in_order() -> None:
    async with receiver(200) as made:
        for number in range(10):
            made.webhook.post("breaker_open", {"provider": "a/p", "model": str(number)})
        await made.idle(sent=10)
        made.webhook.post("breaker_open", {"provider": "a/p", "model": "10"})
        await made.idle(sent=11)
    assert [request.json()["model"] for request in made.upstream.requests] == [str(number) for number in range(11)]


@pytest.mark.parametrize("failures", [[500], [503, 404], [302, 429]])
async def test_who_fails_is_tried_again(failures: list[int]) -> None:
    async with receiver(*failures, 200) as made:
        made.webhook.post("state_store_away", {})
        await made.upstream.got(1)
        await made.idle(sent=1)
    assert len(made.upstream.requests) == len(failures) + 1
    assert made.log() == ""


async def test_the_pauses_grow() -> None:
    async with receiver(500) as made:
        made.webhook.post("state_store_away", {})
        await made.idle(sent=0, dropped=1)
    assert made.pauses == [1.0, 5.0] == list(BACK_OFF)
    assert len(made.upstream.requests) == 3


async def test_after_three_tries_an_event_is_dropped_and_the_next_comes() -> None:
    async with receiver(500, 500, 500, 200) as made:
        made.webhook.post("state_store_away", {"number": 1})
        made.webhook.post("state_store_back", {"number": 2})
        await made.idle(sent=1, dropped=1)
        assert [request.json()["number"] for request in made.upstream.requests] == [1, 1, 1, 2]
        assert made.log().count("alerts not delivered") == 1
        assert "the webhook answered with status 500" in made.log()
        assert made.log().count("alerts delivered again") == 1


async def test_a_long_outage_is_logged_once() -> None:
    async with receiver(500) as made:
        for _ in range(5):
            made.webhook.post("state_store_away", {})
        await made.idle(sent=0, dropped=5)
        assert made.log().count('"event"') == 1


async def test_who_stalls_is_given_up_and_tried_again() -> None:
    async with receiver(STALL, STALL, 200, seconds=0.05) as made:
        made.webhook.post("state_store_away", {})
        await made.idle(sent=1)
    assert len(made.upstream.requests) == 3


async def test_who_is_away_holds_up_nobody() -> None:
    async with receiver(200) as made:
        pass
    webhook = Webhook(
        made.upstream.url + "/canary", LeanUpstream(), make_logger(made.lines), Metrics(), {}, sleep=made.time.sleep
    )
    webhook.post("state_store_away", {})
    async with asyncio.timeout(5):
        while "alerts not delivered" not in made.log():
            await made.time.move(10)
    assert "canary" not in made.log()
    await webhook.close()


async def test_of_too_many_the_oldest_are_dropped() -> None:
    async with receiver(STALL, 200, seconds=5.0) as made:
        made.webhook.post("breaker_open", {"number": -1})
        await made.upstream.got(1)  # and it is stuck
        for number in range(QUEUE + 3):
            made.webhook.post("breaker_open", {"number": number})
        assert made.count("dropped") == 3
        for peer in made.upstream.peers:
            peer.cut()
        await made.idle(sent=QUEUE + 1, dropped=3)
    assert [request.json()["number"] for request in made.upstream.requests] == [-1, -1, *range(3, QUEUE + 3)]
    assert QUEUE == 100


async def test_what_waits_at_the_end_is_dropped() -> None:
    async with receiver(STALL) as made:
        for _ in range(3):
            made.webhook.post("breaker_open", {})
        await made.upstream.got(1)
        await made.webhook.close()
        assert made.count("dropped") == 3
        await made.upstream.left()


def test_a_url_that_cant_be_called_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError) as refused:
        Webhook("ftp://canary", LeanUpstream(), make_logger(LineWriter(io.BytesIO())), Metrics(), {})
    assert "canary" not in str(refused.value)
