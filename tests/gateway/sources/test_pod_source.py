"""Which of the two a pod listens to: the API server, or the mounted volume while that has not answered."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sluice_config.compile import Gateway
from sluice_gateway.sources.api_server import Access
from sluice_gateway.sources.cluster import ClusterSource
from sluice_gateway.sources.following import Pace
from sluice_gateway.sources.pod import PodSource
from sluice_gateway.sources.volume import Volume
from sluice_gateway.telemetry.log import LineWriter, make_logger
from tests.support.fake_api import FakeApi, fake_api, refuses
from tests.support.following import Following, routes
from tests.support.gateway import LogFile, provider, route
from tests.support.published import Published, publish

CHAT = provider("mock") + route("chat", "mock")
MORE = CHAT + route("more", "mock", models=("more",))
AWAY = refuses(503, "away")


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as running:
        yield running


@asynccontextmanager
async def source(api: FakeApi, folder: Path, boot_seconds: float = 0.1) -> AsyncIterator[Following]:
    pace = Pace(first=0.01, most=0.05, steady=60, rng=random.Random(1))
    cluster = ClusterSource(Access(api.url), Gateway(), make_logger(LineWriter(LogFile())), pace, settle_seconds=0.1)
    followed = Following(PodSource(cluster, Volume(folder, Gateway()), boot_seconds, volume_seconds=0.02))
    try:
        yield followed
    finally:
        await followed.close()


def put(api: FakeApi, published: Published) -> None:
    for plural, document in published.written():
        api.put(plural, document)


async def test_an_api_server_that_answers_is_all_that_counts(api: FakeApi, tmp_path: Path) -> None:
    publish(MORE).mount(tmp_path)
    put(api, publish(CHAT))
    async with source(api, tmp_path, boot_seconds=30) as followed:
        loaded = await followed.loaded()
    assert (routes(loaded), loaded.origin) == (["chat"], "API server")


async def test_the_volume_until_then(api: FakeApi, tmp_path: Path) -> None:
    publish(CHAT).mount(tmp_path)
    api.always("list", AWAY)
    async with source(api, tmp_path) as followed:
        loaded = await followed.loaded()
        assert (routes(loaded), loaded.origin) == (["chat"], "mounted volume")
        publish(MORE).mount(tmp_path)  # as the kubelet does when the API server is away from us alone
        assert (await followed.serves("chat", "more")).origin == "mounted volume"
        put(api, publish(provider("mock")))
        api.always("list", None)
        assert (await followed.serves()).origin == "API server"
        publish(MORE).mount(tmp_path)
        put(api, publish(CHAT))
        assert (await followed.loaded()).origin == "API server"


async def test_nothing_new_on_the_volume_is_no_event(api: FakeApi, tmp_path: Path) -> None:
    publish(CHAT).mount(tmp_path)
    api.always("list", AWAY)
    async with source(api, tmp_path) as followed:
        await followed.loaded()
        following = asyncio.create_task(followed.event())
        await api.asks("list", len(api.asked) + 20)
        assert not following.done()
        publish(MORE).mount(tmp_path)
        await following


async def test_nothing_anywhere(api: FakeApi, tmp_path: Path) -> None:
    api.always("list", AWAY)
    async with source(api, tmp_path) as followed:
        reason = (await followed.refused()).reason
    assert reason == f"the API server does not answer, and no configuration is mounted in {tmp_path}"


async def test_a_first_answer_that_is_a_refusal(api: FakeApi, tmp_path: Path) -> None:
    publish(CHAT).mount(tmp_path)
    async with source(api, tmp_path, boot_seconds=30) as followed:
        assert (await followed.loaded()).origin == "mounted volume"
        assert "does not exist" in (await followed.refused()).reason
        put(api, publish(MORE))
        assert (await followed.loaded()).origin == "API server"


async def test_a_first_answer_that_is_a_refusal_after_the_volume(api: FakeApi, tmp_path: Path) -> None:
    publish(CHAT).mount(tmp_path)
    api.always("list", AWAY)
    async with source(api, tmp_path) as followed:
        await followed.loaded()
        api.always("list", None)
        assert "does not exist" in (await followed.refused()).reason


async def test_a_defect_gets_out(api: FakeApi, tmp_path: Path) -> None:
    async def broken(seconds: float) -> None:
        raise ZeroDivisionError

    api.always("list", AWAY)
    cluster = ClusterSource(Access(api.url), Gateway(), make_logger(LineWriter(LogFile())), Pace(sleep=broken))
    followed = Following(PodSource(cluster, Volume(tmp_path, Gateway()), boot_seconds=30))
    with pytest.raises(ZeroDivisionError):
        await followed.event()
    await followed.close()
