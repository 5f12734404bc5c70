"""What a gateway makes of the objects that the operator publishes, whatever the API server does meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sluice_config.compile import Gateway
from sluice_config.snapshot import CredentialRef
from sluice_gateway.sources.api_server import Access
from sluice_gateway.sources.cluster import ClusterSource
from sluice_gateway.sources.following import Pace
from sluice_gateway.sources.source import Loaded
from sluice_gateway.telemetry.log import LineWriter, make_logger
from tests.support.canary import CANARY
from tests.support.fake_api import FakeApi, event, fake_api, refuses, watch_of
from tests.support.following import Following, routes
from tests.support.gateway import LogFile, provider, route
from tests.support.published import Published, publish
from tests.support.upstream import Script, answer, says, says_then_cuts

CHAT = provider("mock") + route("chat", "mock")
KEYED = provider("up", "http://127.0.0.1:9", credentials={"secretRef": {"name": "up", "key": "api-key"}}) + route(
    "chat", "up/gpt"
)
GATEWAY = Gateway()
UP = CredentialRef(namespace="default", name="up", key="api-key")


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as running:
        yield running


@asynccontextmanager
async def source(
    api: FakeApi, log: LogFile | None = None, settle_seconds: float = 0.2, gateway: Gateway = GATEWAY
) -> AsyncIterator[Following]:
    logger = make_logger(LineWriter(log or LogFile()))
    pace = Pace(first=0.01, most=0.05, steady=60, rng=random.Random(1))
    followed = Following(ClusterSource(Access(api.url), gateway, logger, pace, settle_seconds))
    try:
        yield followed
    finally:
        await followed.close()


def put(api: FakeApi, published: Published) -> None:
    for plural, document in published.written():
        api.put(plural, document)


def key_of(loaded: Loaded) -> str:
    return loaded.credentials.values[UP].reveal()


async def test_what_is_published_is_loaded(api: FakeApi) -> None:
    published = publish(KEYED, keys={"up": "sk-1"}, callers={"team": "caller-1"})
    put(api, published)
    async with source(api) as followed:
        loaded = await followed.loaded()
    assert (loaded.snapshot, loaded.digest) == (published.snapshot, published.index.digest)
    assert (key_of(loaded), loaded.credentials.revision) == ("sk-1", "r1")
    assert loaded.callers["team"].reveal() == "caller-1"
    assert (loaded.findings, loaded.origin) == ((), "API server")


async def test_it_asks_for_its_own_objects_and_no_others(api: FakeApi) -> None:
    edge = Gateway("team", "edge")
    routes = CHAT.replace('"models"', '"gatewayRef": {"name": "edge"}, "models"', 1)
    published = publish(routes, namespace="team", name="edge")
    assert published.snapshot.routes
    put(api, published)
    async with source(api, gateway=edge) as followed:
        await followed.loaded()
        await api.watched(3)
    assert {asked.namespace for asked in api.asked} == {"team"}
    watched = {("configmaps", "edge-config"), ("secrets", "edge-credentials"), ("secrets", "edge-keys")}
    for verb in ("list", "watch"):
        assert {asked.key for asked in api.asked if asked.verb == verb} == watched
    shards = {("configmaps", f"edge-config-{entry.number}-{entry.slot}") for entry in published.index.shards}
    assert {asked.key for asked in api.asked if asked.verb == "get"} == shards


async def test_each_change_reads_only_the_shards_that_it_changes(api: FakeApi) -> None:
    many = "".join(route(f"r{number}", "mock", models=(f"m{number}",)) for number in range(20)) + provider("mock")
    first = publish(many)
    put(api, first)
    assert len(first.shards) == 4
    async with source(api) as followed:
        await followed.loaded()
        assert sum(asked.verb == "get" for asked in api.asked) == 4
        second = publish(many + route("one-more", "mock", models=("more",)), live=first.index)
        put(api, second)
        assert await followed.serves(*(found.name for found in second.snapshot.routes))
    assert sum(asked.verb == "get" for asked in api.asked) == 5


async def test_an_index_that_says_nothing_new_gives_no_event(api: FakeApi) -> None:
    put(api, publish(CHAT))
    async with source(api) as followed:
        await followed.loaded()
        put(api, publish(CHAT))
        put(api, publish(CHAT + route("more", "mock", models=("more",))))
        assert routes(await followed.loaded()) == ["chat", "more"]


async def test_a_watch_that_is_cut_misses_nothing(api: FakeApi) -> None:
    put(api, publish(CHAT))
    async with source(api) as followed:
        await followed.loaded()
        await api.watched(3)
        api.cut()
        put(api, publish(CHAT + route("more", "mock", models=("more",))))
        assert routes(await followed.loaded()) == ["chat", "more"]
        await api.watched(3)
        api.delete("configmaps", "sluice-gateway-config")
        assert "does not exist" in (await followed.refused()).reason


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(410),
        watch_of(event("ERROR", {"code": 410, "message": "too old"})),
        watch_of(b"garbage\n"),
        watch_of(b'{"type": "ADDED", "obj'),
        watch_of(),
        refuses(403),
        refuses(429, headers=[("retry-after", "0")]),
        refuses(500),
        says_then_cuts(b""),
        says(answer(200, b"")),
    ],
)
async def test_whatever_becomes_of_watches_a_change_arrives(api: FakeApi, trouble: Script) -> None:
    put(api, publish(CHAT))
    api.always("watch", trouble)
    async with source(api) as followed:
        await followed.loaded()
        await api.asks("watch", 4)
        put(api, publish(CHAT + route("more", "mock", models=("more",))))
        assert routes(await followed.loaded()) == ["chat", "more"]
        api.always("watch", None)
        await api.watched(3)
        put(api, publish(CHAT))
        assert routes(await followed.loaded()) == ["chat"]


async def test_a_watch_from_a_version_that_is_compacted_meanwhile(api: FakeApi) -> None:
    put(api, publish(CHAT))
    async with source(api) as followed:
        await followed.loaded()
        await api.watched(3)
        api.cut()
        api.put("configmaps", {"metadata": {"name": "other"}})
        api.forget()
        put(api, publish(provider("mock")))
        assert routes(await followed.loaded()) == []


async def test_an_api_server_that_is_away_at_first(api: FakeApi) -> None:
    log = LogFile()
    put(api, publish(CHAT))
    api.always("list", refuses(503, "etcd is away"))
    async with source(api, log) as followed:
        loading = asyncio.create_task(followed.loaded())
        await log.has("API server does not serve", 3)
        assert b"it answered 503: etcd is away" in log.getvalue()
        api.always("list", None)
        assert routes(await loading) == ["chat"]
        following = asyncio.create_task(followed.event())
        await log.has("API server serves again", 3)
        following.cancel()
        await asyncio.wait((following,))
    assert log.getvalue().count(b"does not serve") == 3


async def test_a_missing_index_is_said_once_it_has_lasted(api: FakeApi) -> None:
    async with source(api) as followed:
        assert "sluice-gateway-config does not exist" in (await followed.refused()).reason
        put(api, publish(CHAT))
        assert routes(await followed.loaded()) == ["chat"]


async def test_no_right_to_read_is_said(api: FakeApi) -> None:
    put(api, publish(CHAT))
    api.always("list", refuses(403, "configmaps is forbidden"))
    async with source(api) as followed:
        assert "can't be read: it answered 403: configmaps is forbidden" in (await followed.refused()).reason
        api.always("list", None)
        assert routes(await followed.loaded()) == ["chat"]


FIRST = publish(CHAT)
SECOND = publish(CHAT + route("more", "mock", models=("more",)), live=FIRST.index)
CHANGED = next((one.number, one.slot) for one in SECOND.index.shards if one not in FIRST.index.shards)
OTHER = publish(provider("mock") + route("other", "mock"))


def indexed(**wrong: str) -> dict:
    return replace(SECOND, index=SECOND.index.model_copy(update=wrong)).index_map()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (SECOND.shard_map(CHANGED, next(iter(OTHER.shards.values()))), "is not the one that the index names"),
        (SECOND.shard_map(CHANGED, b"no gzip"), "is not a gzip"),
        ({**SECOND.shard_map(CHANGED), "binaryData": {}}, "is missing, or has no"),
        (indexed(digest="sha256:" + "0" * 64), "not the snapshot that the index names"),
        (indexed(gateway="x/y"), "that of the gateway x/y"),
        (SECOND.index_map(b'{"schemaVersion": 2}'), "not of schema version 1"),
        (SECOND.index_map(b"garbage"), "malformed"),
        ({**SECOND.index_map(), "data": {}}, "malformed"),
    ],
)
async def test_damage_is_refused_until_it_is_repaired(api: FakeApi, broken: dict, reason: str) -> None:
    put(api, FIRST)
    async with source(api) as followed:
        await followed.loaded()
        written = {(plural, document["metadata"]["name"]): document for plural, document in SECOND.written()}
        key = "configmaps", broken["metadata"]["name"]
        for (plural, _), document in (written | {key: broken}).items():
            api.put(plural, document)
        assert reason in (await followed.refused()).reason
        api.put("configmaps", written[key])
        assert routes(await followed.loaded()) == ["chat", "more"]


async def test_a_shard_that_is_missing_is_waited_for(api: FakeApi) -> None:
    published = publish(CHAT)
    *before, (_, shard), index = published.written()
    for plural, document in (*before, index):
        api.put(plural, document)
    async with source(api) as followed:
        refused = await followed.refused()
        assert shard["metadata"]["name"] in refused.reason
        assert refused.digest == published.index.digest
        api.put("configmaps", shard)
        assert routes(await followed.loaded()) == ["chat"]


async def test_a_shard_that_may_not_be_read_is_said(api: FakeApi) -> None:
    put(api, publish(CHAT))
    api.always("get", refuses(403, "forbidden"))
    async with source(api) as followed:
        assert "can't be read: it answered 403: forbidden" in (await followed.refused()).reason
        api.always("get", None)
        assert routes(await followed.loaded()) == ["chat"]


async def test_a_rotated_key_is_loaded_with_its_revision(api: FakeApi) -> None:
    published = publish(KEYED, keys={"up": "sk-1"})
    put(api, published)
    async with source(api, settle_seconds=30) as followed:
        await followed.loaded()
        rotated = published.rotated("r2", up="sk-2")
        api.put("secrets", rotated.credentials_secret())
        api.put("configmaps", rotated.index_map())
        loaded = await followed.loaded()
    assert (key_of(loaded), loaded.credentials.revision, loaded.digest) == ("sk-2", "r2", published.index.digest)


async def test_credentials_without_their_index_are_served_in_the_end(api: FakeApi) -> None:
    published = publish(KEYED, keys={"up": "sk-1"})
    put(api, published)
    async with source(api) as followed:
        await followed.loaded()
        api.put("secrets", published.rotated("r2", up="sk-2").credentials_secret())
        loaded = await followed.loaded()
        assert (key_of(loaded), loaded.credentials.revision) == ("sk-2", "r2")
        assert [one.finding.reason for one in loaded.findings] == ["Pending"]


async def test_credentials_that_somebody_deletes_are_kept(api: FakeApi) -> None:
    published = publish(KEYED, keys={"up": "sk-1"})
    put(api, published)
    async with source(api, settle_seconds=30) as followed:
        await followed.loaded()
        await api.watched(3)
        api.delete("secrets", "sluice-gateway-credentials")
        more = publish(KEYED + route("more", "up/gpt", models=("more",)), keys={"up": "sk-1"}, live=published.index)
        for plural, document in more.written():
            if plural == "configmaps":
                api.put(plural, document)
        loaded = await followed.serves("chat", "more")
    assert (key_of(loaded), loaded.credentials.revision) == ("sk-1", "r1")


async def test_without_credentials_the_rest_is_served(api: FakeApi) -> None:
    published = publish(KEYED, keys={"up": "sk-1"})
    for plural, document in published.written():
        if plural == "configmaps":
            api.put(plural, document)
    async with source(api) as followed:
        loaded = await followed.loaded()
    assert not loaded.credentials.values
    assert {one.finding.reason for one in loaded.findings} == {"SecretNotFound"}


async def test_callers_keys_come_and_go(api: FakeApi) -> None:
    published = publish(CHAT, callers={"team": "caller-1"})
    put(api, published)
    async with source(api) as followed:
        assert set((await followed.loaded()).callers) == {"team"}
        await api.watched(3)
        api.put(
            "secrets", replace(published, callers={"team": "caller-1", "other": "sha256:" + "0" * 64}).callers_secret()
        )
        assert set((await followed.loaded()).callers) == {"team", "other"}
        api.delete("secrets", "sluice-gateway-keys")
        assert (await followed.loaded()).callers == {}


async def test_keys_come_and_go_while_the_index_is_refused(api: FakeApi) -> None:
    published = publish(KEYED, keys={"up": "sk-1"}, callers={"team": "caller-1", "other": "caller-2"})
    put(api, published)
    async with source(api) as followed:
        await followed.loaded()
        api.put("configmaps", published.index_map(b"garbage"))
        refused = await followed.refused()
        api.put("secrets", replace(published, callers={"team": "caller-1"}).callers_secret())
        kept = await followed.loaded()
        assert (set(kept.callers), kept.digest, key_of(kept)) == ({"team"}, published.index.digest, "sk-1")
        assert await followed.refused() == refused
        rotated = published.rotated("r2", up="sk-2")
        api.put("secrets", rotated.credentials_secret())
        assert key_of(await followed.loaded()) == "sk-2"


async def test_no_secret_is_shown(api: FakeApi) -> None:
    log = LogFile()
    published = publish(KEYED, keys={"up": CANARY}, callers={"team": CANARY + "\x07"})
    put(api, published)
    api.once("watch", *[watch_of(event("ADDED", {"metadata": {}, "data": {"x": CANARY}}))] * 3)
    async with source(api, log) as followed:
        loaded = await followed.loaded()
        await api.asks("watch", 6)
    assert key_of(loaded) == CANARY
    assert [str(one) for one in loaded.findings if "team" in str(one)]
    assert CANARY not in repr(loaded) + log.getvalue().decode()
