"""Events: one for each distinct change, on the gateway's Deployment."""

from datetime import UTC, datetime

import pytest

from sluice_operator.errors import LeaseLost
from sluice_operator.events import Events
from sluice_operator.kube import Api
from sluice_operator.kube.kinds import DEPLOYMENT, EVENT, Document
from sluice_operator.telemetry.metrics import Metrics
from sluice_operator.writing import Writer
from tests.support.pods import GATEWAY
from tests.support.site import Site


def now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


async def written(kube: Api, site: Site) -> list[Document]:
    listed = await kube.list(EVENT, site.namespace)
    return [event for event in listed if event["source"].get("component") == "sluice-operator"]


async def test_the_same_thing_is_told_once(kube: Api, site: Site):
    site.gateway(replicas=0)
    gateway = await kube.get(DEPLOYMENT, site.namespace, GATEWAY)
    events = Events(Writer(kube, lambda: None, Metrics()), "replica-1", now)
    for message in ("", "first", "first", "second", "second", "", "", "second"):
        await events.tell(gateway, "NameTaken", message)
    await events.tell(gateway, "Other", "first")
    found = await written(kube, site)
    assert sorted((event["reason"], event["message"]) for event in found) == [
        ("NameTaken", "first"),
        ("NameTaken", "second"),
        ("NameTaken", "second"),
        ("Other", "first"),
    ]
    [event] = [event for event in found if event["reason"] == "Other"]
    assert event["involvedObject"]["uid"] == gateway["metadata"]["uid"]
    assert (event["type"], event["count"], event["reportingInstance"]) == ("Warning", 1, "replica-1")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"


async def test_a_long_message_is_cut(kube: Api, site: Site):
    site.gateway(replicas=0)
    gateway = await kube.get(DEPLOYMENT, site.namespace, GATEWAY)
    await Events(Writer(kube, lambda: None, Metrics()), "one", now).tell(gateway, "NotWritten", "x" * 5000)
    [event] = await written(kube, site)
    assert len(event["message"]) == 1024


async def test_who_does_not_lead_writes_nothing(kube: Api, site: Site):
    def check() -> None:
        raise LeaseLost("another leads")

    site.gateway(replicas=0)
    gateway = await kube.get(DEPLOYMENT, site.namespace, GATEWAY)
    writer = Writer(kube, check, Metrics())
    for write in (writer.apply, writer.merge, writer.apply_status, writer.create, writer.delete):
        with pytest.raises(LeaseLost):
            await write(gateway)
    with pytest.raises(LeaseLost):
        await Events(writer, "one", now).tell(gateway, "NameTaken", "taken")
    assert await written(kube, site) == []
    assert await kube.get(DEPLOYMENT, site.namespace, GATEWAY)


async def test_what_was_written_is_known_again(kube: Api, site: Site):
    writer = Writer(kube, lambda: None, Metrics())
    made = await writer.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": site.namespace, "name": "a"}}
    )
    assert writer.knows(made["metadata"]["resourceVersion"])
    assert not writer.knows("1")
