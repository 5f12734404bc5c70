"""Watches of identities at a real API server: what matters is told, also after a gap, and rights may come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from sluice_config.published import credentials_name, index_name
from sluice_operator.gather import Gatherer
from sluice_operator.interests import interests
from sluice_operator.kube import Access, Api
from sluice_operator.kube.api import Stub
from sluice_operator.kube.kinds import AUTOSCALER, CONFIG_MAP, NAMESPACE, SECRET, Kind
from sluice_operator.watching.stubs import DENIED_SECONDS, StubWatches
from tests.support.cluster import ApiRefused, ControlPlane
from tests.support.operator import CREDENTIALS_RULES, WRITER_RULES, kubeconfig
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, secret
from tests.support.tunnel import tunnel_to

PATIENCE = 30.0


class Told:
    """What was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.stubs: list[Stub] = []
        self.slept: list[float] = []
        self._news = asyncio.Event()

    def tell(self, _: Kind, stub: Stub) -> None:
        self.stubs.append(stub)
        self._news.set()

    async def sleep(self, seconds: float) -> None:
        """Remember for how long, and go on soon."""
        self.slept.append(seconds)
        self._news.set()
        await asyncio.sleep(0.02)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def names(self, *, deleted: bool = False) -> set[str]:
        return {stub.name for stub in self.stubs if stub.deleted == deleted}


@asynccontextmanager
async def watching(api: Api) -> AsyncIterator[tuple[StubWatches, Told]]:
    told = Told()
    watches = StubWatches(api, told.tell, told.sleep, lambda: 0.0)
    running = asyncio.create_task(watches.run())
    await asyncio.sleep(0)
    yield watches, told
    running.cancel()
    await asyncio.wait({running})


async def test_only_names_that_matter_are_told(kube: Api, namespace: str):
    await kube.create(CONFIG_MAP.document(namespace, "there"))
    async with watching(kube) as (watches, told):
        watches.follow({(CONFIG_MAP, namespace, ""): frozenset({"there", "new"})})
        await told.until(lambda: told.names() == {"there"})
        await kube.create(CONFIG_MAP.document(namespace, "unrelated"))
        await kube.create(CONFIG_MAP.document(namespace, "new"))
        await told.until(lambda: told.names() == {"there", "new"})
        await kube.delete(await kube.get(CONFIG_MAP, namespace, "new"))
        await told.until(lambda: told.names(deleted=True) == {"new"})
        watches.follow({(CONFIG_MAP, namespace, ""): frozenset({"later"})})
        await kube.create(CONFIG_MAP.document(namespace, "new"))
        await kube.create(CONFIG_MAP.document(namespace, "later"))
        await told.until(lambda: "later" in told.names())
        assert sum(stub.name == "new" and not stub.deleted for stub in told.stubs) == 1


async def test_a_place_that_matters_no_more_is_left(kube: Api, namespace: str):
    async with watching(kube) as (watches, told):
        watches.follow({(CONFIG_MAP, namespace, ""): None, (SECRET, namespace, ""): None})
        await kube.create(SECRET.document(namespace, "one"))
        await told.until(lambda: "one" in told.names())
        watches.follow({(CONFIG_MAP, namespace, ""): None})
        await kube.create(SECRET.document(namespace, "two"))
        await kube.create(CONFIG_MAP.document(namespace, "three"))
        await told.until(lambda: "three" in told.names())
        assert "two" not in told.names()


async def test_objects_outside_of_namespaces(kube: Api, namespace: str):
    async with watching(kube) as (watches, told):
        watches.follow({(NAMESPACE, None, ""): None})
        await told.until(lambda: namespace in told.names())


async def test_what_changed_in_a_gap_is_told_after_it(site: Site, kube: Api, tmp_path: Path):
    token = site.plane.token(site.namespace, "watcher", CREDENTIALS_RULES)
    site.apply(secret("kept"), secret("changed"), secret("deleted"))
    async with tunnel_to(site.plane.server) as tunnel:
        api = Api(Access.find(kubeconfig(site.plane, token, tmp_path, server=tunnel.url)))
        async with watching(api) as (watches, told):
            watches.follow({(SECRET, site.namespace, ""): None})
            await told.until(lambda: told.names() == {"kept", "changed", "deleted"})
            await tunnel.cut()
            site.apply(secret("changed", "another"))
            site.delete("secrets", "deleted")
            await told.until(lambda: bool(told.slept))
            told.stubs.clear()
            await tunnel.open()
            await told.until(lambda: told.names(deleted=True) == {"deleted"} and told.names() == {"changed"})
        await api.close()
    assert max(told.slept) < DENIED_SECONDS


async def test_a_right_that_comes_later(site: Site, control_plane: ControlPlane, tmp_path: Path):
    token = control_plane.token(site.namespace, "sluice-operator")
    api = Api(Access.find(kubeconfig(control_plane, token, tmp_path)))
    site.apply(secret())
    async with watching(api) as (watches, told):
        watches.follow({(SECRET, site.namespace, ""): frozenset({"openai"})})
        await told.until(lambda: DENIED_SECONDS in told.slept)
        site.grant("reader", CREDENTIALS_RULES)
        await told.until(lambda: told.names() == {"openai"})
    await api.close()


async def test_a_gateway_needs_no_right_but_those_of_the_role_for_it(site: Site, kube: Api, tmp_path: Path):
    """Where no Secret of anybody else is referred to: else a refusal every ten seconds would be no news to anybody."""
    site.gateway(replicas=0)
    site.apply(provider("local", provider="mock", credentials=None), secret(credentials_name(GATEWAY)), secret("other"))
    world = await Gatherer(kube, [site.namespace]).read()
    token = site.plane.token(site.namespace, "sluice-operator", WRITER_RULES)
    site.plane.until(lambda: may_list_pods(site, token), "the role holds")
    api = Api(Access.find(kubeconfig(site.plane, token, tmp_path)))
    async with watching(api) as (watches, told):
        watches.follow(interests(world))
        await told.until(lambda: told.names() == {credentials_name(GATEWAY)})
        await kube.create(CONFIG_MAP.document(site.namespace, index_name(GATEWAY)))
        site.delete("secrets", credentials_name(GATEWAY))
        await told.until(lambda: told.names(deleted=True) == {credentials_name(GATEWAY)} and len(told.names()) == 2)
    await api.close()
    await kube.list(CONFIG_MAP, site.namespace)  # meanwhile the API server agrees to the end of the watches' TLS
    assert told.slept == []


def may_list_pods(site: Site, token: str) -> bool:
    with closing(site.plane.as_bearer(token)) as api:
        try:
            return bool(api.get(site.path("pods")))
        except ApiRefused:
            return False


async def test_the_status_of_an_autoscaler_is_no_news(kube: Api, site: Site):
    """Its controller writes one every few seconds."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "one"}
    scaler = AUTOSCALER.document(site.namespace, "one", spec={"scaleTargetRef": target, "maxReplicas": 2})
    await kube.apply(scaler)
    async with watching(kube) as (watches, told):
        watches.follow({(AUTOSCALER, site.namespace, ""): None, (CONFIG_MAP, site.namespace, ""): None})
        await told.until(lambda: "one" in told.names())
        path = f"{site.path('horizontalpodautoscalers', 'one')}/status"
        for number in (1, 2):
            status = {"status": {"currentReplicas": number, "desiredReplicas": 1}}
            await asyncio.to_thread(site.plane.api.merge, path, status)
        site.plane.api.merge(site.path("horizontalpodautoscalers", "one"), {"spec": {"maxReplicas": 3}})
        await told.until(lambda: sum(stub.name == "one" for stub in told.stubs) == 2)
