"""The whole way on a real API server: what a user applies, through the operator, is what two gateways serve.

The gateways are processes on this machine; the pods that stand for them have their addresses.
"""

import asyncio
import contextlib
import json
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.canary import CANARY
from tests.support.cluster import ControlPlane
from tests.support.operator import Operator
from tests.support.pod import LOADED, Pod, pod
from tests.support.pods import GATEWAY, deployment
from tests.support.published import rules
from tests.support.resources import Document
from tests.support.site import Site, provider, route, secret
from tests.support.upstream import ScriptedUpstream, answer, says, serve

CALLER = f"{CANARY}-caller"


@dataclass
class Walk:
    """A site with an operator and two gateways that call one provider."""

    site: Site
    operator: Operator
    gateways: list[Pod]
    upstream: ScriptedUpstream
    start: Callable[[str], Awaitable[Pod]]

    async def apply(self, *documents: Document) -> None:
        await asyncio.to_thread(self.site.apply, *documents)

    async def programmed(self, name: str = "chat", kind: str = "modelroutes") -> str:
        """Wait until the operator says that all pods run it; what it says."""
        return await asyncio.to_thread(self.site.becomes, kind, name, "Programmed", "True", "Programmed")

    async def asked(self, model: str = "chat", key: str = CALLER) -> list[int]:
        """What each gateway answers."""
        return [await one.ask(key, model) for one in self.gateways]

    def policy(self, **spec: Any) -> Document:
        return provider(provider="openai-compatible", baseURL=f"{self.upstream.url}/v1", **spec)

    @property
    def keys(self) -> list[str]:
        """The keys that the provider was shown."""
        return [request.headers["authorization"].removeprefix("Bearer ") for request in self.upstream.requests]


def callers() -> Document:
    """The user's Secret with the key of one consumer."""
    metadata = {"name": f"{GATEWAY}-keys"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"team": CALLER}}


@pytest.fixture
async def walk(sluice_api: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Walk]:
    token = tmp_path / "token"
    token.write_text(sluice_api.token(namespace, "gateway", rules()))
    options = (tmp_path / "volume", "--kube-token-file", token, "--kube-ca-file", sluice_api.ca_file)
    with ExitStack() as stack:
        async with contextlib.AsyncExitStack() as gateways, serve(says(answer(200, b"{}"))) as upstream:

            async def start(internal: str) -> Pod:
                environ = {"SLUICE_NAMESPACE": namespace, "SLUICE_INTERNAL_LISTEN": internal}
                return await gateways.enter_async_context(pod(sluice_api.server, *options, env=environ))

            site = Site(sluice_api, namespace, tmp_path, stack)
            one = await start("127.0.0.1:0")
            port = int(one.internal.rpartition(":")[2])  # of all pods, so that the other one has another address
            other = await start(f"127.0.0.2:{port}")
            site.apply(deployment(port, 2), callers())
            site.pods.ready(2)
            yield Walk(site, site.start(), [one, other], upstream, start)


async def test_what_is_applied_is_served_and_said(walk: Walk) -> None:
    await walk.apply(secret(), walk.policy(), route("chat", "chat", "gpt-*"))
    assert await walk.programmed() == "2/2 pods"
    assert [await one.ready() for one in walk.gateways] == [200, 200]
    assert await walk.asked() == await walk.asked("gpt-4o") == [200, 200]
    assert await walk.asked(key="nobody's") == [401, 401]
    assert set(walk.keys) == {CANARY}

    await walk.apply(route("chat", "renamed"))
    await walk.programmed()
    assert (await walk.asked(), await walk.asked("renamed")) == ([404, 404], [200, 200])

    digest = walk.site.index().digest
    walk.site.delete("modelroutes", "chat")
    await asyncio.to_thread(walk.site.until, lambda: walk.site.index().digest != digest, "a new index")
    async with asyncio.timeout(20):  # their logs do not tell: they have loaded an empty configuration before
        while await walk.asked("renamed") != [404, 404]:
            pass


async def test_a_rotated_key_fails_no_request(walk: Walk) -> None:
    await walk.apply(secret(), walk.policy(), route())
    await walk.programmed()
    asking = [asyncio.create_task(ask_on(one)) for one in walk.gateways]
    await walk.upstream.got(10)
    old = walk.site.index().credentials_revision
    await walk.apply(secret(value="another"))
    await asyncio.to_thread(walk.site.until, lambda: walk.site.index().credentials_revision != old, "a new revision")
    for one in walk.gateways:
        await one.logged(LOADED, credentials=walk.site.index().credentials_revision)
    await walk.programmed("openai", "providerpolicies")
    count = len(walk.upstream.requests)
    await walk.upstream.got(count + 10)
    for task in asking:
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*asking, return_exceptions=True))
    assert set(walk.keys) == {CANARY, "another"}
    assert set(walk.keys[count:]) <= {"another"}


async def ask_on(gateway: Pod) -> None:
    """One request after the other, none of which may fail."""
    while True:
        assert await gateway.ask(CALLER) == 200


async def test_without_an_operator_gateways_serve_on_and_then_catch_up(walk: Walk) -> None:
    await walk.apply(secret(), walk.policy(), route())
    await walk.programmed()
    await asyncio.to_thread(walk.operator.ended)
    walk.site.delete("configmaps", f"{GATEWAY}-config")
    for one in walk.gateways:
        await one.refuses("does not exist")
    assert await walk.asked() == [200, 200]
    await walk.apply(route("more"))
    await asyncio.to_thread(walk.site.start, "two")
    await walk.programmed("more")
    assert await walk.asked("more") == [200, 200]


async def test_a_burst_of_changes_while_a_gateway_is_killed(walk: Walk) -> None:
    await walk.apply(secret(), walk.policy(), route())
    await walk.programmed()
    survivor, victim = walk.gateways
    asking = asyncio.create_task(ask_on(survivor))

    def change(number: int) -> None:
        name = f"route-{number % 20}"
        walk.site.plane.api.apply(walk.site.path("modelroutes", name), route(name, f"model-{number}"))

    for number in range(200):
        await asyncio.to_thread(change, number)
        if number == 100:
            victim.command.send(signal.SIGKILL)
            await victim.command.ended()
            walk.gateways[1] = await walk.start(victim.internal.removeprefix("http://"))
    for number in (180, 199):
        await walk.programmed(f"route-{number % 20}")
        assert await walk.asked(f"model-{number}") == [200, 200]
    assert await walk.asked("model-179") == [404, 404]
    assert not asking.done()
    asking.cancel()
    await asyncio.wait((asking,))


async def test_a_target_that_fails_is_told_to_its_route_and_its_provider(walk: Walk) -> None:
    policy = walk.policy(circuitBreaker={"failureThreshold": 1}, healthCheck={"enabled": False})
    await walk.apply(secret(), policy, route())
    await walk.programmed()
    walk.upstream.script = says(answer(500, b"{}"))
    assert set(await walk.asked()) <= {502, 503}
    for kind, name in (("modelroutes", "chat"), ("providerpolicies", "openai")):
        text = await asyncio.to_thread(walk.site.becomes, kind, name, "TargetsHealthy", "False", "BreakerOpen")
        assert re.match(r"target openai/gpt-4o-mini has failed too often \([12] of 2 pods\): ", text)
    assert walk.site.condition("modelroutes", "chat")["status"] == "True"


async def test_no_secret_is_said_by_anybody(walk: Walk) -> None:
    await walk.apply(secret(), walk.policy(), route())
    await walk.programmed()
    assert await walk.asked() == [200, 200]
    site = walk.site
    said = [walk.operator.log.read_text(encoding="utf-8"), walk.operator.get("/metrics")[1]]
    for one in walk.gateways:
        said += [one.command.err, one.command.out]
        for path in ("/internal/config", "/internal/report", "/metrics"):
            async with one.http.get(one.internal + path) as response:
                said.append(await response.text())
    stored = [
        site.plane.api.get(site.path(kind)) for kind in ("configmaps", "events", "modelroutes", "providerpolicies")
    ]
    said += [json.dumps(one) for one in stored] + [site.unpacked()]
    assert not [text for text in said if CANARY in text]
