"""Elections at a real API server, in short terms: what Kubernetes' 15 seconds are is one here."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice_operator.errors import LeaseLost
from sluice_operator.kube import Access, Api, NotFound
from sluice_operator.kube.kinds import LEASE
from sluice_operator.leader import Election, Times
from tests.support.cluster import ControlPlane
from tests.support.tunnel import tunnel_to

TERM = Times(duration=1, deadline=0.6, retry=0.05)
PATIENCE = 30.0

Candidate = Callable[..., Election]


def election(kube: Api, namespace: str, identity: str, times: Times = TERM) -> Election:
    return Election(
        kube,
        namespace,
        "sluice-operator",
        identity,
        clock=asyncio.get_running_loop().time,
        sleep=asyncio.sleep,
        random=lambda: 0.0,
        now=lambda: datetime.now(UTC),
        times=times,
    )


@pytest.fixture
def candidate(kube: Api, namespace: str) -> Candidate:
    return lambda identity, times=TERM: election(kube, namespace, identity, times)


async def test_the_first_candidate_creates_the_lease(candidate: Candidate, kube: Api, namespace: str):
    one = candidate("one")
    with pytest.raises(LeaseLost):
        one.check()
    await one.acquire()
    one.check()
    assert one.leading
    spec = (await kube.get(LEASE, namespace, "sluice-operator"))["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("one", 1, 0)
    assert datetime.fromisoformat(spec["renewTime"]).tzinfo is not None


async def test_a_leader_that_renews_keeps_all_others_waiting(candidate: Candidate, kube: Api, namespace: str):
    steady = Times(duration=1, deadline=0.95, retry=0.05)  # a busy machine may not come to renew it for a while
    one, two = candidate("one", steady), candidate("two", steady)
    await one.acquire()
    holding, waiting = asyncio.create_task(one.hold()), asyncio.create_task(two.acquire())
    done, _ = await asyncio.wait({holding, waiting}, timeout=2 * steady.duration)
    assert not done
    assert one.leading
    assert not two.leading
    assert two.holder == "one"
    holding.cancel()
    waiting.cancel()


async def test_who_stops_to_renew_stops_to_lead_before_another_begins(candidate: Candidate):
    one, two = candidate("one"), candidate("two")
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    seen = set()
    while not waiting.done():
        seen.add((one.leading, two.leading))
        await asyncio.wait({waiting}, timeout=0.01)
    assert seen <= {(True, False), (False, False)}
    assert (one.leading, two.leading) == (False, True)


async def test_a_released_lease_is_taken_at_once(candidate: Candidate, kube: Api, namespace: str):
    patient = Times(duration=3600, deadline=1800, retry=0.05)
    one, two = candidate("one", patient), candidate("two", patient)
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    await one.release()
    assert not one.leading
    await asyncio.wait_for(waiting, PATIENCE)
    spec = (await kube.get(LEASE, namespace, "sluice-operator"))["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("two", 1)
    await one.release()  # a second time does nothing
    assert (await kube.get(LEASE, namespace, "sluice-operator"))["spec"] == spec


async def test_the_leader_is_told_when_another_has_its_lease(candidate: Candidate, kube: Api, namespace: str):
    one = candidate("one")
    await one.acquire()
    lease = await kube.get(LEASE, namespace, "sluice-operator")
    await kube.replace(lease | {"spec": lease["spec"] | {"holderIdentity": "thief"}})
    with pytest.raises(LeaseLost, match="thief"):
        await asyncio.wait_for(one.hold(), PATIENCE)
    assert not one.leading


async def test_a_lease_that_is_edited_otherwise_stays(candidate: Candidate, kube: Api, namespace: str):
    one = candidate("one")
    await one.acquire()
    lease = await kube.get(LEASE, namespace, "sluice-operator")
    lease["metadata"]["annotations"] = {"a": "b"}
    edited = await kube.replace(lease)
    holding = asyncio.create_task(one.hold())
    renewed = edited
    while renewed["spec"]["renewTime"] == edited["spec"]["renewTime"]:
        renewed = await kube.get(LEASE, namespace, "sluice-operator")
    assert renewed["metadata"]["annotations"] == {"a": "b"}
    assert not holding.done()
    holding.cancel()


async def test_a_deleted_lease_ends_the_leadership(
    candidate: Candidate, kube: Api, namespace: str, sluice_api: ControlPlane
):
    one, two = candidate("one"), candidate("two")
    await one.acquire()
    sluice_api.api.delete(f"{LEASE.path(namespace)}/sluice-operator")
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(one.hold(), PATIENCE)
    await asyncio.wait_for(two.acquire(), PATIENCE)


async def test_of_many_candidates_exactly_one_wins(candidate: Candidate):
    candidates = [candidate(str(number)) for number in range(8)]
    racing = [asyncio.create_task(each.acquire()) for each in candidates]
    await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
    assert sum(each.leading for each in candidates) == 1
    for task in racing:
        task.cancel()


@pytest.mark.parametrize("fault", ["cut", "stalled"])
async def test_without_an_answer_the_leadership_ends_at_the_deadline(
    fault: str, control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    async with tunnel_to(control_plane.server) as tunnel:
        config = tmp_path / "kubeconfig"
        config.write_text(control_plane.kubeconfig.read_text().replace(control_plane.server, tunnel.url))
        kube = Api(Access.find(config))
        one = election(kube, namespace, "one")
        await one.acquire()
        if fault == "cut":
            await tunnel.cut()
        else:
            tunnel.stall()
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(one.hold(), PATIENCE)
        assert not one.leading
        await kube.close()


async def test_a_namespace_that_is_missing_is_waited_for(kube: Api, control_plane: ControlPlane):
    missing = election(kube, "not-there-yet", "one")
    waiting = asyncio.create_task(missing.acquire())
    await asyncio.wait({waiting}, timeout=0.2)
    assert not waiting.done()
    with pytest.raises(NotFound):
        await kube.get(LEASE, "not-there-yet", "sluice-operator")
    control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": "not-there-yet"}})
    await asyncio.wait_for(waiting, PATIENCE)
