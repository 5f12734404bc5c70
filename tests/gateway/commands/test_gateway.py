"""``sluice gateway`` as a process, at a scripted API server: what it serves, what it says, and how it ends."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.canary import CANARY
from tests.support.command import SLUICE, running
from tests.support.fake_api import FakeApi, fake_api, refuses
from tests.support.gateway import CHAT, HELLO, provider, route
from tests.support.pod import OFF, pod
from tests.support.published import Published, publish
from tests.support.upstream import LAST_CHUNK, Peer, Request, answer, chunk, says, serve, stream_head

MOCK = provider("mock") + route("chat", "mock")
MORE = MOCK + route("more", "mock", models=("more",))


def keyed(url: str) -> str:
    return provider("up", url, credentials={"secretRef": {"name": "up", "key": "api-key"}}) + route("chat", "up/gpt")


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as running_api:
        yield running_api


def put(api: FakeApi, published: Published) -> None:
    for plural, document in published.written():
        api.put(plural, document)


async def test_it_serves_what_is_published_and_each_change(api: FakeApi, tmp_path: Path) -> None:
    first = publish(MOCK, callers={"team": "caller-1"})
    put(api, first)
    async with pod(api.url, tmp_path) as sluice:
        await sluice.serves(first)
        assert await sluice.ready() == 200
        assert [await sluice.ask(key) for key in ("", "caller-2", "caller-1")] == [401, 401, 200]
        assert await sluice.ask("caller-1", "more") == 404
        second = publish(MORE, callers={"team": "caller-2", "other": "caller-3"}, live=first.index)
        put(api, second)
        await sluice.serves(second, callers=2)
        assert [await sluice.ask(key, "more") for key in ("caller-1", "caller-2", "caller-3")] == [401, 200, 200]
        assert await sluice.ended() == 0
    assert sluice.command.out == ""
    assert {line["level"] for line in sluice.lines} == {"info"}


async def test_what_it_tells_the_operator_is_small(api: FakeApi, tmp_path: Path) -> None:
    many = "".join(route(f"route-{number}", "mock", models=(f"m{number}",)) for number in range(300))
    published = publish(provider("mock") + many)
    put(api, published)
    async with pod(api.url, tmp_path) as sluice:
        await sluice.serves(published)
        config = await sluice.config()
        assert config["resources"] == {"ModelRoute": 300, "ProviderPolicy": 1, "CachePolicy": 0}
        assert len(json.dumps(config)) < 2000


async def test_a_refusal_is_told_with_its_digest(api: FakeApi, tmp_path: Path) -> None:
    published = publish(MOCK)
    put(api, published)
    async with pod(api.url, tmp_path, *OFF) as sluice:
        await sluice.serves(published)
        api.put("configmaps", published.index_map(b'{"schemaVersion": 2, "digest": "sha256:' + b"1" * 64 + b'"}'))
        await sluice.refuses("schema version")
        config = await sluice.config()
        assert (config["digest"], config["refused"]["digest"]) == (published.index.digest, "sha256:" + "1" * 64)
        assert "schema version" in config["refused"]["reason"]
        assert (await sluice.ready(), await sluice.ask()) == (200, 200)


async def test_a_rotated_key_is_live_with_its_revision(api: FakeApi, tmp_path: Path) -> None:
    async with serve(says(answer(200, b"{}"))) as upstream:
        published = publish(keyed(upstream.url), keys={"up": "sk-1"})
        put(api, published)
        async with pod(api.url, tmp_path, *OFF) as sluice:
            await sluice.serves(published)
            await sluice.ask()
            rotated = published.rotated("r2", up="sk-2")
            api.put("secrets", rotated.credentials_secret())
            api.put("configmaps", rotated.index_map())
            await sluice.serves(rotated)
            await sluice.ask()
            assert (await sluice.config())["credentialsRevision"] == "r2"
    assert [request.headers["authorization"] for request in upstream.requests] == ["Bearer sk-1", "Bearer sk-2"]


async def test_the_volume_is_served_while_the_api_server_is_away(api: FakeApi, tmp_path: Path) -> None:
    mounted = publish(MOCK, callers={"team": "caller-1"})
    mounted.mount(tmp_path)
    api.always("list", refuses(503))
    async with pod(api.url, tmp_path) as sluice:
        await sluice.serves(mounted, "mounted volume")
        assert (await sluice.ready(), await sluice.ask("caller-1")) == (200, 200)
        newer = publish(MORE, callers={"team": "caller-1"})
        put(api, newer)
        api.always("list", None)
        await sluice.serves(newer)


async def test_with_nothing_at_all_it_waits_and_says_why(api: FakeApi, tmp_path: Path) -> None:
    api.always("list", refuses(503))
    async with pod(api.url, tmp_path, *OFF) as sluice:
        await sluice.refuses("the API server does not answer, and no configuration is mounted")
        assert (await sluice.ready(), await sluice.ask()) == (503, 503)
        published = publish(MOCK)
        put(api, published)
        api.always("list", None)
        await sluice.serves(published)
        assert (await sluice.ready(), await sluice.ask()) == (200, 200)
        assert (await sluice.config())["refused"] is None


async def test_sigterm_lets_a_stream_finish(api: FakeApi, tmp_path: Path) -> None:
    finish = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(b'data: {"choices":[]}\n\n'))
        await finish.wait()
        await peer.send(chunk(b"data: [DONE]\n\n"), LAST_CHUNK)

    async with serve(script) as upstream:
        published = publish(provider("up", upstream.url) + route("chat", "up/gpt"))
        put(api, published)
        async with pod(api.url, tmp_path, *OFF) as sluice:
            await sluice.serves(published)
            async with sluice.http.post(sluice.api + CHAT, json=HELLO | {"stream": True}) as response:
                await response.content.readuntil(b"\n\n")
                sluice.command.send(signal.SIGTERM)
                await sluice.logged("draining", in_flight=1)
                assert await sluice.ready() == 503
                with pytest.raises(aiohttp.ClientConnectorError):
                    await sluice.ask()
                finish.set()
                assert await response.read() == b"data: [DONE]\n\n"
            assert await sluice.command.ended() == 0


async def test_no_secret_is_shown(api: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)
    async with serve(says(answer(401, CANARY.encode()))) as upstream:
        callers = {"team": CANARY, "bad": f"{CANARY} \x07"}
        published = publish(keyed(upstream.url), keys={"up": CANARY}, callers=callers)
        put(api, published)
        async with pod(api.url, tmp_path, "--kube-token-file", token, env={"SLUICE_LOG_LEVEL": "debug"}) as sluice:
            await sluice.serves(published)
            assert await sluice.ask(CANARY) == 502
            shown = []
            for path in ("/internal/config", "/internal/report", "/metrics", "/ready", "/health"):
                async with sluice.http.get(sluice.internal + path) as response:
                    assert response.status == 200
                    shown.append(await response.text())
            api.cut()
            api.always("list", refuses(401))
            await sluice.logged("API server does not serve", object="sluice-gateway-keys")
    assert upstream.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert api.asked[0].token == CANARY
    assert CANARY not in "".join(shown) + sluice.command.out + sluice.command.err
    assert "Secret default/sluice-gateway-keys: bad: the value has control characters" in sluice.command.err


async def test_an_address_that_is_taken(api: FakeApi, tmp_path: Path) -> None:
    async with pod(api.url, tmp_path, *OFF) as sluice:
        taken = sluice.api.removeprefix("http://")
        async with running(SLUICE, "gateway", "--kube-api", api.url, "--listen", taken, *OFF) as command:
            assert await command.ended() == 1
    assert f"cannot listen on {taken}" in json.loads(command.err)["reason"]


async def test_outside_of_a_pod_the_api_server_must_be_named() -> None:
    async with running(SLUICE, "gateway") as command:
        assert await command.ended() == 2
    assert "KUBERNETES_SERVICE_HOST" in command.err
