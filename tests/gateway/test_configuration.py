"""Following a source for ever: what breaks on the way is logged, and what is served stays."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from sluice_gateway.configuration import FIRST_PAUSE, LONGEST_PAUSE, Configuration, Observer
from sluice_gateway.discovery.watch import Discovery
from sluice_gateway.sources.source import Loaded, Refused
from sluice_gateway.telemetry.log import LineWriter, make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import loaded, provider, route

CHAT = loaded(provider("mock") + route("chat", "mock"))
OTHER = loaded(provider("mock") + route("other", "mock", models=("other",)))

Events = Sequence[Loaded | Exception]


class Breaking:
    """A source that gives one list of events each time that it is followed, and then ends."""

    def __init__(self, *turns: Events) -> None:
        self.turns = list(turns)

    async def events(self) -> AsyncIterator[Loaded | Refused]:
        for event in self.turns.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


class Followed:
    """A configuration that has followed a source until all of its turns were over."""

    def __init__(self, source: Breaking, observer: Observer | None = None) -> None:
        self.source = source
        self.pauses: list[float] = []
        self.over = asyncio.Event()
        self.file = io.BytesIO()
        self.lines = LineWriter(self.file)
        self.configuration = Configuration(
            LeanUpstream(),
            auth=False,
            logger=make_logger(self.lines),
            metrics=Metrics(),
            discovery=Discovery(LeanUpstream(), make_logger(self.lines)),
            observer=observer,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self.source.turns:
            self.over.set()
            await asyncio.Event().wait()

    async def until_over(self) -> "Followed":
        following = asyncio.create_task(self.configuration.follow(self.source))
        await asyncio.wait_for(self.over.wait(), 5)
        assert not following.done()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        return self

    def defects(self) -> list[dict[str, Any]]:
        self.lines.flush()
        lines = [json.loads(line) for line in self.file.getvalue().splitlines()]
        return [line for line in lines if line["event"] == "defect"]


def serves(followed: Followed, model: str) -> bool:
    table = followed.configuration.table
    return table is not None and table.match(model) is not None


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), LookupError("what cannot be"), ValueError("x")])
async def test_a_source_that_breaks_leaves_what_is_served_and_is_followed_again(error: Exception) -> None:
    broken = await Followed(Breaking([CHAT, error])).until_over()
    assert serves(broken, "chat")
    again = await Followed(Breaking([CHAT, error], [OTHER])).until_over()
    assert serves(again, "other")
    [first, _] = again.defects()
    assert (first["level"], first["during"]) == ("error", "following the source of the configuration")
    assert type(error).__name__ in first["traceback"]


async def test_a_source_that_ends_is_followed_again() -> None:
    followed = await Followed(Breaking([CHAT], [], [OTHER])).until_over()
    assert serves(followed, "other")
    assert "has ended" in followed.defects()[0]["traceback"]


async def test_a_defect_while_an_event_is_taken_ends_nothing() -> None:
    def observer(event: Loaded | Refused) -> None:
        if event is CHAT:
            raise LookupError("of the observer")

    followed = await Followed(Breaking([CHAT], [OTHER]), observer).until_over()
    assert serves(followed, "other")


async def test_the_pauses_grow_to_a_bound_until_an_event_is_taken() -> None:
    failing: list[Events] = [[OSError()]] * 9
    followed = await Followed(Breaking(*failing, [CHAT], [OSError()])).until_over()
    assert followed.pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert followed.pauses[8:] == [LONGEST_PAUSE, FIRST_PAUSE, 2 * FIRST_PAUSE]
    assert len(followed.defects()) == len(followed.pauses)
