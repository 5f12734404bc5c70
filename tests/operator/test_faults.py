"""Replicas that die, an API server that is away: nothing torn is ever seen, and all converges."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from sluice_config.shards import BrokenShards
from tests.support.cluster import KubectlFailed
from tests.support.kubernetes_api import ApiRefused
from tests.support.operator import OPERATOR_RULES, Operator
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret
from tests.support.tunnel import tunnel_to

LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/sluice-operator"


@contextmanager
def always_whole(site: Site) -> Iterator[list[str]]:
    """While the block runs, read what is published again and again; gives the digests that were seen."""
    seen: list[str] = []
    ended, failures = threading.Event(), []
    api = site.plane.administrator()

    def read() -> None:
        while not ended.is_set():
            before = site.index(api)
            try:
                site.snapshot(api)
            except (ApiRefused, BrokenShards) as error:
                if site.index(api) == before:
                    failures.append(error)
            else:
                seen.append(before.digest)

    reader = threading.Thread(target=read)
    site.until(lambda: site.find("configmaps", f"{GATEWAY}-config") is not None, "an index")
    reader.start()
    try:
        yield seen
    finally:
        ended.set()
        reader.join()
        api.close()
    assert failures == []


def test_another_replica_stands_by_and_takes_over_at_once(site: Site):
    leader = site.serve(secret(), provider(), route())
    standby = site.start("two")
    site.until(lambda: standby.get("/readyz")[0] == 200, "the standby is ready")
    assert (standby.metric("sluice_operator_leading"), standby.writes()) == (0, {})
    with site.within(10.0):  # far less than the Lease lasts
        assert leader.ended() == 0
        standby.logged("leading")
    site.apply(route("new"))
    site.becomes("modelroutes", "new", "Ready", "True", "Programmed")
    assert standby.metric("sluice_operator_leading") == 1


def test_who_loses_the_lease_ends_before_it_writes_again(site: Site):
    operator = site.serve(secret(), provider(), route())
    lease = site.plane.api.get(LEASE.format(site.namespace))
    taken = lease["spec"] | {"holderIdentity": "another"}
    site.plane.api.merge(LEASE.format(site.namespace), {"spec": taken})
    assert operator.process.wait(60) == 1
    [error] = [line["error"] for line in operator.lines if line["event"] == "ended"]
    assert error == "the Lease is lost to another"
    assert site.plane.api.get(LEASE.format(site.namespace))["spec"]["holderIdentity"] == "another"


def test_a_leader_that_is_killed_in_a_burst_of_changes(site: Site):
    leader = site.serve(secret(), provider(), *(route(f"route-{number}") for number in range(20)))
    routes = [route(f"route-{number}", f"model-{number}") for number in range(200)]
    with always_whole(site) as seen, closing(site.plane.administrator()) as api:
        applying = threading.Thread(target=site.apply, args=routes, kwargs={"api": api})
        before = len(set(seen))
        applying.start()
        site.until(lambda: len(set(seen)) > before + 3, "some of it is published")
        leader.process.kill()
        applying.join()
        # What a successor must wait for is written in the Lease; test_a_stalled_leader_* waits for as long as it is.
        site.plane.api.merge(LEASE.format(site.namespace), {"spec": {"leaseDurationSeconds": 1}})
        successor = site.start("two")
        successor.logged("leading")
        site.until(lambda: len(site.snapshot().routes) == 200, "all of it")
        said = dict.fromkeys((f"route-{number}" for number in range(200)), "Programmed")
        site.until(lambda: site.reasons("modelroutes", "Programmed") == said, "and it says so of each")
    assert len(set(seen)) > 3


def test_while_the_api_server_is_away_nothing_is_lost(site: Site):
    operator = site.serve(secret(), provider(), route())
    with site.plane.cluster.sandbox.paused("kube-apiserver"):
        with pytest.raises(KubectlFailed):
            site.plane.kubectl("get", "--raw", "/readyz", "--request-timeout=3s")
        assert operator.get("/healthz")[0] == 200
    site.apply(route("new"))
    site.becomes("modelroutes", "new", "Ready", "True", "Programmed")
    assert operator.process.poll() is None


async def test_it_waits_for_an_api_server_that_is_away_at_the_start(site: Site):
    async with tunnel_to(site.plane.server) as tunnel:
        await tunnel.cut()
        operator = await asyncio.to_thread(site.start, server=tunnel.url)
        failure = await asyncio.to_thread(operator.logged, "not read yet")
        assert failure["reason"] == "Unreachable"
        assert await asyncio.to_thread(operator.get, "/readyz") == (503, "resources were not read yet\n")
        assert (await asyncio.to_thread(operator.get, "/healthz"))[0] == 200
        impatient = await asyncio.to_thread(site.start, "two", server=tunnel.url)
        assert await asyncio.to_thread(impatient.ended) == 0
        await tunnel.open()
        await asyncio.to_thread(serve, site)


async def test_what_vanishes_while_the_watches_are_cut_is_noticed(site: Site):
    async with tunnel_to(site.plane.server) as tunnel:
        operator = await asyncio.to_thread(site.start, server=tunnel.url)
        await asyncio.to_thread(serve, site)
        await tunnel.cut()
        site.delete("modelroutes", "chat")
        site.delete("configmaps", site.shards().pop())
        await tunnel.open()
        await asyncio.to_thread(site.until, lambda: site.index().shards == (), "the route is gone")
        assert operator.process.poll() is None


async def test_what_vanishes_is_noticed_also_when_nobody_knows_the_past_any_more(site: Site):
    """Watches that go on from a version that etcd has dropped get a 410: all must be read anew, and compared."""
    async with tunnel_to(site.plane.server) as tunnel:
        operator = await asyncio.to_thread(site.start, server=tunnel.url)
        await asyncio.to_thread(serve, site)
        seen = site.plane.api.get(site.path("modelroutes"))["metadata"]["resourceVersion"]
        await tunnel.cut()
        site.delete("modelroutes", "chat")
        site.delete("configmaps", site.shards().pop())
        await asyncio.to_thread(site.plane.cluster.forget_history)
        assert site.plane.event_after(seen, site.path("modelroutes"))["object"]["code"] == 410
        await tunnel.open()
        await asyncio.to_thread(noticed, site, operator, tunnel.url)
        site.apply(route("new"))
        await asyncio.to_thread(site.becomes, "modelroutes", "new", "Ready", "True", "Programmed")
        assert [one.name for one in site.snapshot().routes] == ["new"]


def noticed(site: Site, operator: Operator, server: str) -> None:
    """Wait until the route is gone. A leader that was away for too long ends, and the kubelet starts it anew."""
    site.plane.until(lambda: not site.index().shards or operator.process.poll() is not None, "news", within=40)
    if operator.process.poll() is not None:
        site.start("again", server=server)
    site.plane.until(lambda: not site.index().shards, "the route is gone", within=60)


async def test_a_stalled_leader_ends_and_writes_nothing_more(site: Site):
    async with tunnel_to(site.plane.server) as tunnel:
        stalled = await asyncio.to_thread(site.start, server=tunnel.url)
        await asyncio.to_thread(serve, site)
        tunnel.stall()
        site.apply(route("new"))
        site.start("two", server=site.plane.server)
        await asyncio.to_thread(site.becomes, "modelroutes", "new", "Ready", "True", "Programmed")
        assert await asyncio.to_thread(stalled.process.wait, 60) == 1
        before = site.index()
        tunnel.flow()
        assert site.index() == before


def serve(site: Site) -> None:
    """A gateway and a route that it serves."""
    site.gateway()
    site.apply(secret(), provider(), route())
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")


def test_of_a_world_that_can_be_read_in_part_only_nothing_is_published(site: Site, tmp_path: Path):
    with ExitStack() as stack:
        other = Site(site.plane, site.plane.new_namespace(), tmp_path, stack)
        site.gateway()
        site.apply(secret(), provider(), route())
        operator = site.start(SLUICE_NAMESPACES=f"{site.namespace},{other.namespace}")
        failure = operator.logged("not read yet")
        assert failure["reason"] == "Forbidden"
        assert f" {other.namespace}: 403 " in failure["error"]
        assert site.names("configmaps") == set()
        other.grant("sluice-operator", OPERATOR_RULES, site.namespace)
        site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
