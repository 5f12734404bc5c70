"""``sluice gateway`` at a real API server, with the few rights that a pod has."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from sluice_config.shards import Index
from sluice_gateway.sources.api_server import Access, ApiError, ApiServer
from tests.support.canary import CANARY
from tests.support.cluster import ApiRefused, ControlPlane
from tests.support.gateway import provider, route
from tests.support.pod import OFF, Pod, pod
from tests.support.published import GATEWAY, Document, Published, publish, rules
from tests.support.tunnel import Tunnel, tunnel_to
from tests.support.upstream import answer, says, serve

MOCK = provider("mock") + route("chat", "mock")
MORE = MOCK + route("more", "mock", models=("more",))
INDEX = f"{GATEWAY}-config"


@dataclass
class Room:
    """A namespace of the API server with a gateway's rights in it, and the way there that can be cut."""

    plane: ControlPlane
    namespace: str
    tunnel: Tunnel
    folder: Path
    token: str

    def path(self, plural: str, name: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}/{name}"

    def publish(
        self, text: str, live: Index | None = None, keys: dict[str, str] | None = None, callers: dict | None = None
    ) -> Published:
        """Compile, and write as the operator does."""
        published = publish(text, namespace=self.namespace, live=live, keys=keys or {}, callers=callers or {})
        self.write(published)
        return published

    def write(self, published: Published) -> None:
        for plural, document in published.written():
            self.put(plural, document)

    def put(self, plural: str, document: Document) -> None:
        self.plane.api.apply(self.path(plural, document["metadata"]["name"]), document)

    def delete(self, plural: str, name: str) -> None:
        self.plane.api.delete(self.path(plural, name))

    @contextlib.asynccontextmanager
    async def pod(self, *arguments: str) -> AsyncIterator[Pod]:
        """A gateway here. What it has loaded is not waited for."""
        token_file = self.folder / "token"
        token_file.write_text(self.token)
        files = (self.folder / "volume", "--kube-token-file", token_file, "--kube-ca-file", self.plane.ca_file)
        async with pod(self.tunnel.url, *files, *arguments, env={"SLUICE_NAMESPACE": self.namespace}) as running:
            yield running


@pytest.fixture
async def room(sluice_api: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Room]:
    token = sluice_api.token(namespace, "gateway", rules())
    async with tunnel_to(sluice_api.server) as tunnel:
        yield Room(sluice_api, namespace, tunnel, tmp_path, token)


async def test_an_edit_is_served_within_a_second(room: Room) -> None:
    published = room.publish(MOCK, callers={"team": "caller-1"})
    took = []
    async with room.pod() as sluice:
        await sluice.serves(published)
        assert [await sluice.ask(key) for key in ("caller-2", "caller-1")] == [401, 200]
        for name in ("m1", "m2", "m3", "m4", "m5"):
            assert await sluice.ask("caller-1", name) == 404
            started = time.monotonic()
            text = MOCK + route(name, "mock", models=(name,))
            published = room.publish(text, published.index, callers={"team": "caller-1"})
            await sluice.serves(published)
            took.append(time.monotonic() - started)
            assert await sluice.ask("caller-1", name) == 200
        assert await sluice.ended() == 0
    assert statistics.median(took) < 1


async def test_a_gateway_that_comes_first_waits_for_the_operator(room: Room) -> None:
    async with room.pod(*OFF) as sluice:
        await sluice.refuses(f"ConfigMap {INDEX} does not exist")
        assert (await sluice.ready(), await sluice.ask()) == (503, 503)
        await sluice.serves(room.publish(MOCK))
        assert (await sluice.ready(), await sluice.ask()) == (200, 200)


async def test_the_rights_of_a_pod_reach_no_further(room: Room) -> None:
    room.write(publish(MOCK, namespace=room.namespace, callers={"team": "caller-1"}))
    room.put("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tenant"}})
    reader = room.plane.as_bearer(room.token)
    base = f"/api/v1/namespaces/{room.namespace}"
    with contextlib.closing(reader):
        assert reader.get(f"{base}/secrets", fieldSelector=f"metadata.name={GATEWAY}-keys")["items"]
        for path in ("secrets", "configmaps", "secrets/tenant", f"secrets/{GATEWAY}-keys", "configmaps/other", "pods"):
            with pytest.raises(ApiRefused) as refused:
                reader.get(f"{base}/{path}")
            assert refused.value.status == 403
        with pytest.raises(ApiRefused) as refused:
            reader.merge(room.path("configmaps", INDEX), {"data": {}})
        assert refused.value.status == 403


async def test_an_api_server_that_nobody_vouches_for_gets_no_token(room: Room) -> None:
    foreign = room.folder / "foreign.crt"
    trustme.CA().cert_pem.write_to_path(str(foreign))
    for ca_file in (foreign, None):
        async with ApiServer(Access(room.tunnel.url, None, ca_file), room.namespace) as server:
            with pytest.raises(ApiError, match="certificate verify failed"):
                await server.find("configmaps", INDEX)


async def test_a_watch_that_is_cut_misses_neither_changes_nor_deletions(room: Room) -> None:
    first = room.publish(MOCK, callers={"team": "caller-1"})
    async with room.pod() as sluice:
        await sluice.serves(first)
        await room.tunnel.cut()
        second = room.publish(MORE, first.index)
        room.delete("secrets", f"{GATEWAY}-keys")
        await sluice.logged("API server does not serve", object=INDEX)
        assert await sluice.ask("caller-1") == 200
        await room.tunnel.open()
        await sluice.serves(second, callers=0)
        assert await sluice.ask("caller-1", "more") == 401


async def test_what_vanishes_is_noticed_also_when_nobody_knows_the_past_any_more(room: Room) -> None:
    first = room.publish(MOCK, callers={"team": "caller-1"})
    async with room.pod() as sluice:
        await sluice.serves(first)
        seen = room.plane.api.get(room.path("secrets", f"{GATEWAY}-keys"))["metadata"]["resourceVersion"]
        await room.tunnel.cut()
        second = room.publish(MORE, first.index)
        room.delete("secrets", f"{GATEWAY}-keys")
        await asyncio.to_thread(room.plane.cluster.forget_history)
        assert room.plane.event_after(seen, room.path("secrets", "").rstrip("/"))["object"]["code"] == 410
        assert await sluice.ask("caller-1") == 200
        await room.tunnel.open()
        await sluice.serves(second, callers=0)
        assert await sluice.ask("caller-1", "more") == 401


async def test_an_api_server_that_stands_still_holds_nothing_up(room: Room) -> None:
    first = room.publish(MOCK)
    async with room.pod(*OFF) as sluice:
        await sluice.serves(first)
        room.tunnel.stall()
        second = room.publish(MORE, first.index)
        assert [await sluice.ask() for _ in range(5)] == [200] * 5
        room.tunnel.flow()
        await sluice.serves(second)


async def test_the_index_is_deleted_and_comes_back(room: Room) -> None:
    published = room.publish(MOCK)
    async with room.pod(*OFF) as sluice:
        await sluice.serves(published)
        room.delete("configmaps", INDEX)
        await sluice.refuses("does not exist")
        assert (await sluice.ready(), await sluice.ask()) == (200, 200)
        second = room.publish(MORE, published.index)
        await sluice.serves(second)
        assert (await sluice.config())["refused"] is None


async def test_a_shard_that_is_missing_is_waited_for(room: Room) -> None:
    first = room.publish(MOCK)
    second = publish(MORE, namespace=room.namespace, live=first.index)
    place = next((one.number, one.slot) for one in second.index.shards if one not in first.index.shards)
    async with room.pod(*OFF) as sluice:
        await sluice.serves(first)
        room.put("configmaps", second.index_map())
        await sluice.refuses("is missing")
        assert (await sluice.config())["refused"]["digest"] == second.index.digest
        assert (await sluice.ask(), await sluice.ask(model="more")) == (200, 404)
        room.put("configmaps", second.shard_map(place))
        await sluice.serves(second)
        assert await sluice.ask(model="more") == 200


async def test_a_wrong_digest_is_refused(room: Room) -> None:
    first = room.publish(MOCK)
    second = publish(MORE, namespace=room.namespace, live=first.index)
    wrong = replace(second, index=second.index.model_copy(update={"digest": "sha256:" + "0" * 64}))
    async with room.pod(*OFF) as sluice:
        await sluice.serves(first)
        room.write(wrong)
        await sluice.refuses("not the snapshot that the index names")
        config = await sluice.config()
        assert (config["digest"], config["refused"]["digest"]) == (first.index.digest, wrong.index.digest)
        room.write(second)
        await sluice.serves(second)


async def test_a_secret_is_rotated_under_requests(room: Room) -> None:
    async with serve(says(answer(200, b"{}"))) as upstream:
        reference = {"secretRef": {"name": "up", "key": "api-key"}}
        text = provider("up", upstream.url, credentials=reference) + route("chat", "up/gpt")
        published = room.publish(text, keys={"up": f"{CANARY}-1"}, callers={"team": CANARY})
        async with room.pod() as sluice:
            await sluice.serves(published)
            rotated = published.rotated("r2", up=f"{CANARY}-2")
            asking = asyncio.create_task(ask_on(sluice, CANARY))
            await upstream.got(5)
            room.put("secrets", rotated.credentials_secret())
            room.put("configmaps", rotated.index_map())
            await sluice.serves(rotated)
            await upstream.got(len(upstream.requests) + 5)
            asking.cancel()
            await asyncio.wait((asking,))
            assert (await sluice.config())["credentialsRevision"] == "r2"
            shown = str(await sluice.config()) + sluice.command.err + sluice.command.out
    sent = [request.headers["authorization"].removeprefix(f"Bearer {CANARY}-") for request in upstream.requests]
    assert sent == sorted(sent)
    assert set(sent) == {"1", "2"}
    assert CANARY not in shown


async def ask_on(sluice: Pod, key: str) -> None:
    """One request after the other, none of which may fail."""
    while True:
        assert await sluice.ask(key) == 200


@pytest.mark.parametrize("nothing", ["", None])
async def test_a_caller_with_an_empty_key_is_said_and_harms_nobody(room: Room, nothing: str | None) -> None:
    published = room.publish(MOCK, callers={"team": "caller-1"})
    secret = room.plane.api.get(room.path("secrets", f"{GATEWAY}-keys"))
    secret["data"]["empty"] = nothing
    room.plane.api.replace(room.path("secrets", f"{GATEWAY}-keys"), secret)
    async with room.pod() as sluice:
        await sluice.serves(published)
        assert [await sluice.ask(key) for key in ("", "caller-1")] == [401, 200]
        [finding] = (await sluice.config())["findings"]
        assert finding["message"] == "empty: the value is empty"


async def test_a_pod_starts_from_its_volume_and_catches_up(room: Room) -> None:
    mounted = room.publish(MOCK, callers={"team": "caller-1"})
    mounted.mount(room.folder / "volume")
    newer = room.publish(MORE, mounted.index, callers={"team": "caller-2"})
    await room.tunnel.cut()
    async with room.pod() as sluice:
        await sluice.serves(mounted, "mounted volume")
        assert [await sluice.ask(key) for key in ("caller-1", "caller-2")] == [200, 401]
        await room.tunnel.open()
        await sluice.serves(newer)
        assert [await sluice.ask(key, "more") for key in ("caller-1", "caller-2")] == [401, 200]
