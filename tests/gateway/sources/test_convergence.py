"""Whatever happens to the objects and to the API server: in the end, what was published last is served."""

import asyncio
import contextlib
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_config.compile import Gateway
from sluice_config.shards import Index
from sluice_gateway.sources.api_server import Access
from sluice_gateway.sources.cluster import ClusterSource
from sluice_gateway.sources.following import Pace
from sluice_gateway.sources.source import Loaded, Refused
from sluice_gateway.telemetry.log import LineWriter, make_logger
from tests.support.examples import examples
from tests.support.fake_api import FakeApi, event, fake_api, refuses, watch_of
from tests.support.following import Following
from tests.support.gateway import LogFile, provider, route
from tests.support.published import Published, publish
from tests.support.upstream import says_then_cuts

PATIENCE = 20.0
KEYED = provider("up", "http://127.0.0.1:9", credentials={"secretRef": {"name": "up", "key": "api-key"}})
TROUBLES = {
    "refused": refuses(500),
    "busy": refuses(429, headers=[("retry-after", "0")]),
    "gone": watch_of(event("ERROR", {"code": 410, "message": "too old"})),
    "garbage": watch_of(b"garbage\n"),
    "cut": says_then_cuts(b""),
}
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sets(st.sampled_from("abcdef"))),
    st.tuples(st.just("rotate"), st.sampled_from(["r2", "r3"])),
    st.tuples(st.just("delete"), st.integers(0, 10)),
    st.tuples(
        st.just("trouble"), st.tuples(st.sampled_from(["list", "get", "watch"]), st.sampled_from(list(TROUBLES)))
    ),
    st.tuples(st.sampled_from(["cut", "forget"]), st.none()),
    st.tuples(st.just("look"), st.none()),
)


class Operator:
    """Publishes as the operator does, into a scripted API server where other things happen too."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.last = publish(KEYED, keys={"up": "sk-r1"})
        self.there: dict[tuple[str, str], object] = {}
        self.write(self.last)

    def publish(self, names: set[str]) -> None:
        routes = "".join(route(name, "up/gpt", models=(name,)) for name in names)
        revision = self.last.index.credentials_revision
        live: Index = self.last.index
        self.write(publish(KEYED + routes, keys={"up": f"sk-{revision}"}, live=live, revision=revision))

    def rotate(self, revision: str) -> None:
        self.write(self.last.rotated(revision, up=f"sk-{revision}"))

    def delete(self, number: int) -> None:
        if not self.there:
            return
        plural, name = sorted(self.there)[number % len(self.there)]
        del self.there[plural, name]
        self.api.delete(plural, name)

    def is_served(self, event: Loaded | Refused | None) -> bool:
        """Whether this is what was published last, and all of it fits together."""
        if not isinstance(event, Loaded) or event.findings:
            return False
        revision = self.last.index.credentials_revision
        keys = [secret.reveal() for secret in event.credentials.values.values()]
        wanted = self.last.index.digest, revision, [f"sk-{revision}"]
        return (event.digest, event.credentials.revision, keys) == wanted

    def write(self, published: Published) -> None:
        """What is there already as it should be is not written again."""
        self.last = published
        for plural, document in published.written():
            key = plural, document["metadata"]["name"]
            if self.there.get(key) != document:
                self.there[key] = document
                self.api.put(plural, document)


class Reader:
    """Takes every event, and remembers the last."""

    def __init__(self, followed: Following) -> None:
        self.last: Loaded | Refused | None = None
        self._followed = followed
        self._news = asyncio.Event()

    async def read(self) -> None:
        while True:
            self.last = await self._followed.event()
            self._news.set()

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Whether it came true in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        return condition()


async def follow(steps: list) -> None:
    pace = Pace(first=0.001, most=0.005, steady=60, rng=random.Random(1))
    async with fake_api() as api:
        operator = Operator(api)
        followed = Following(ClusterSource(Access(api.url), Gateway(), make_logger(LineWriter(LogFile())), pace, 0.02))
        reader = Reader(followed)
        reading = asyncio.create_task(reader.read())
        for what, argument in steps:
            if what == "trouble":
                verb, trouble = argument
                api.once(verb, TROUBLES[trouble])
            elif what == "look":
                await reader.until(lambda: operator.is_served(reader.last), 0.05)
            elif what in ("cut", "forget"):
                getattr(api, what)()
            else:
                getattr(operator, what)(argument)
        operator.publish({"the-end"})
        assert await reader.until(lambda: operator.is_served(reader.last), PATIENCE), reader.last
        reading.cancel()
        await asyncio.wait((reading,))
        await followed.close()


@settings(max_examples=examples(60))
@given(steps=st.lists(STEPS, max_size=12))
def test_in_the_end_what_was_published_last_is_served(steps: list) -> None:
    asyncio.run(follow(steps))
