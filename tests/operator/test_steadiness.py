"""Nothing is written that is right already, and what a hand has changed is put right once."""

import json
from typing import Any

from sluice_config.published import credentials_name, index_name
from tests.support.operator import Operator
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret

GROQ = [{"provider": "groq"}]
WATCHED = (
    *("configmaps", "secrets", "events", "deployments", "horizontalpodautoscalers"),
    *("modelroutes", "providerpolicies", "cachepolicies"),
)


def versions(site: Site) -> dict[str, str]:
    """The version of every object of the namespace."""
    items = [item for kind in WATCHED for item in site.plane.api.get(site.path(kind))["items"]]
    return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in items}


def looked(operator: Operator) -> float:
    """How often the world was read."""
    return operator.metric("sluice_operator_reconcile_duration_seconds_count")


def shake(site: Site, operator: Operator, kind: str, name: str) -> None:
    """Change something that means nothing, and wait until the operator has looked at it."""
    before = looked(operator)
    site.plane.api.merge(site.path(kind, name), {"metadata": {"labels": {"shaken": f"after-{before}"}}})
    site.until(lambda: looked(operator) > before, "another look")
    site.until(lambda: operator.metric("sluice_operator_queue_depth") == 0, "nothing to do")


def test_in_steady_state_nothing_is_written(site: Site):
    operator = site.serve(secret(), provider(), *(route(f"route-{number}") for number in range(5)))
    site.until(lambda: site.names("configmaps") == {index_name(GATEWAY), *site.shards()}, "the old slots are gone")
    shake(site, operator, "modelroutes", "route-0")
    written, before = operator.writes(), versions(site)
    for _ in range(5):
        shake(site, operator, "modelroutes", "route-0")
    after = versions(site)
    shaken = site.get("modelroutes", "route-0")["metadata"]["uid"]
    assert {uid for uid in before | after if before.get(uid) != after.get(uid)} == {shaken}
    assert operator.writes() == written


def test_another_operator_finds_nothing_to_write(site: Site):
    first = site.serve(secret(), provider(), route("chat"), route("other", "chat", "other"))
    before = versions(site)
    assert first.ended() == 0
    second = site.start("two")
    second.logged("leading")
    site.until(lambda: looked(second) >= 3, "everything was looked at")
    site.until(lambda: second.metric("sluice_operator_queue_depth") == 0, "nothing to do")
    assert versions(site) == before
    assert second.writes() == {}


def test_a_secret_that_nothing_refers_to_causes_nothing(site: Site):
    operator = site.serve(secret(), provider(), route())
    site.apply(secret("unrelated"))
    shake(site, operator, "modelroutes", "chat")
    before = looked(operator)
    site.apply(secret("unrelated", "changed"))
    site.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "unrelated"}})
    assert looked(operator) == before
    shake(site, operator, "secrets", "openai")


def test_what_a_hand_has_changed_is_put_right_once(site: Site):
    site.gateway(replicas=None)
    operator = site.start()
    site.apply(secret(), provider(), route())
    site.pods.ready(2)
    site.becomes("modelroutes", "chat", "Programmed", "True", "Programmed")
    shard = site.index().shards[0]
    meant = {kind: _meaning(site, kind, name) for kind, name in _children(site)}
    written = operator.writes()
    name = f"{GATEWAY}-config-{shard.number}-{shard.slot}"
    site.plane.api.merge(site.path("configmaps", name), {"binaryData": {"shard.json.gz": "AAAA"}})
    site.plane.api.merge(site.path("configmaps", index_name(GATEWAY)), {"data": {"other": "entry"}})
    site.plane.api.merge(site.path("horizontalpodautoscalers", GATEWAY), {"spec": {"maxReplicas": 3}})
    site.delete("secrets", f"{GATEWAY}-credentials")
    site.plane.api.merge(f"{site.path('modelroutes', 'chat')}/status", {"status": {"programmed": "9/9 pods"}})
    site.until(lambda: {kind: _meaning(site, kind, name) for kind, name in _children(site)} == meant, "all as before")
    site.until(lambda: site.get("modelroutes", "chat")["status"]["programmed"] == "2/2 pods", "the status too")
    site.snapshot()
    now = operator.writes()
    repairs = {kind: now[kind] - written[kind] for kind in now}
    assert repairs["HorizontalPodAutoscaler"] == repairs["Secret"] == 1


def test_entries_that_nobody_meant_go_with_one_write_and_cause_no_other(site: Site):
    operator = site.serve(secret(), provider(), route())
    shard = site.shards().pop()
    added = {
        ("configmaps", index_name(GATEWAY)): {"data": {"other": "entry"}, "binaryData": {"more": "AAAA"}},
        ("configmaps", shard): {"data": {"other": "entry"}},
        ("secrets", credentials_name(GATEWAY)): {"data": {"other": "AAAA"}},
    }
    meant = {place: _meaning(site, *place) for place in added}
    for (kind, name), content in added.items():
        written = sum(operator.writes().values())
        site.plane.api.merge(site.path(kind, name), content)
        site.until(lambda: {place: _meaning(site, *place) for place in added} == meant, "all as before")
        for _ in range(3):
            shake(site, operator, "modelroutes", "chat")
        assert sum(operator.writes().values()) == written + 1


def test_an_entry_of_ours_that_another_has_claimed_goes_with_its_secret(site: Site):
    site.serve(secret(), provider(), secret("groq"), provider("groq"), route("chat"), route("fast", targets=GROQ))
    name = credentials_name(GATEWAY)
    claimed = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": site.get("secrets", name)["data"],
    }
    site.apply(claimed)
    site.delete("modelroutes", "fast")
    site.until(lambda: set(site.get("secrets", name)["data"]) == {f"{site.namespace}.openai.api-key"}, "one key")


def _children(site: Site) -> list[tuple[str, str]]:
    return [
        ("configmaps", index_name(GATEWAY)),
        ("horizontalpodautoscalers", GATEWAY),
        ("secrets", f"{GATEWAY}-credentials"),
    ]


def _meaning(site: Site, kind: str, name: str) -> Any:
    """What matters of a child; the revision of credentials that were lost is a new one."""
    found = site.find(kind, name) or {}
    entries = [sorted({**(found.get("data") or {}), **(found.get("binaryData") or {})})]
    text = json.dumps([found.get("data"), found.get("spec")])
    return entries, text.split("credentialsRevision")[0]
