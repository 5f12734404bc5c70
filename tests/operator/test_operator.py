"""The operator as a process of its own beside a real API server: what users apply, and what they and gateways read."""

import base64
import json

from sluice_config.published import index_name
from tests.support.canary import CANARY
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret

CREDENTIALS = f"{GATEWAY}-credentials"


def test_what_is_applied_is_published_and_acknowledged(site: Site):
    site.gateway(replicas=None)
    site.start()
    site.apply(secret(), provider(), route("chat", "chat", "gpt-*"))
    site.becomes("modelroutes", "chat", "Programmed", "False", "NoPods")
    site.pods.ready(2)  # made by the autoscaler's minimum
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
    site.becomes("providerpolicies", "openai", "Ready", "True", "Programmed")
    site.until(lambda: site.get("modelroutes", "chat")["status"]["programmed"] == "2/2 pods", "the second pod too")
    assert site.get("modelroutes", "chat")["status"]["models"] == "chat,gpt-*"

    owner = site.get("deployments", GATEWAY)["metadata"]["uid"]
    assert site.names("configmaps") == {index_name(GATEWAY), *site.shards()}
    assert site.names("secrets") == {CREDENTIALS}
    assert site.names("horizontalpodautoscalers") == {GATEWAY}
    for kind, name in (("configmaps", index_name(GATEWAY)), ("horizontalpodautoscalers", GATEWAY)):
        about = site.get(kind, name)["metadata"]
        assert [reference["uid"] for reference in about["ownerReferences"]] == [owner]
        assert "app.kubernetes.io/instance" not in about["labels"]
    data = site.get("secrets", CREDENTIALS)["data"]
    assert data == {f"{site.namespace}.openai.api-key": base64.b64encode(CANARY.encode()).decode()}
    columns = site.plane.kubectl("get", "modelroutes", f"--namespace={site.namespace}").splitlines()[1].split()
    assert columns[:7] == ["chat", "chat,gpt-*", "priority", "True", "2/2", "pods", "Programmed"]
    for kind, name in (("modelroutes", "chat"), ("providerpolicies", "openai")):
        about = site.get(kind, name)["metadata"]
        assert not about.keys() & {"finalizers", "annotations"}
        assert CANARY not in json.dumps(site.get(kind, name))


def test_a_rotated_key_is_published_within_a_second(site: Site):
    site.serve(secret(), provider(), route())

    def rotation(key: str) -> float:
        before = site.index()
        took = site.takes(
            lambda: site.apply(secret(value=key)),
            lambda: site.index().credentials_revision != before.credentials_revision,
        )
        assert site.index().digest == before.digest
        [value] = site.get("secrets", CREDENTIALS)["data"].values()
        assert base64.b64decode(value) == key.encode()
        return took

    assert any(rotation(key) < 1.0 for key in ("another", "a-third", "a-fourth"))  # a busy machine may be late once
    site.becomes("providerpolicies", "openai", "Programmed", "True", "Programmed")


def test_a_key_is_live_when_the_pods_say_so(site: Site):
    operator = site.serve(secret(), provider(), route())
    site.pods.answers[1] = site.pods.answer(1)  # and so it stays
    site.apply(secret(value="another"))
    message = site.becomes("providerpolicies", "openai", "Programmed", "False", "Pending")
    assert message == "1/2 pods"
    assert operator.metric("sluice_operator_gateway_pods_behind") == 1
    site.pods.answers.clear()
    site.becomes("providerpolicies", "openai", "Programmed", "True", "Programmed")


def test_a_changed_route_rewrites_one_shard_and_one_status(site: Site):
    operator = site.serve(secret(), provider(), *(route(f"route-{number}") for number in range(8)))
    before, written = site.index(), operator.writes()
    site.apply(route("route-3", "another"))
    site.becomes("modelroutes", "route-3", "Programmed", "True", "Programmed")
    assert site.get("modelroutes", "route-3")["status"]["models"] == "another"
    assert len(set(site.index().shards) - set(before.shards)) == 1
    site.until(lambda: site.names("configmaps") == {index_name(GATEWAY), *site.shards()}, "the old slot is gone")
    now = operator.writes()
    assert {kind: now[kind] - written[kind] for kind in now if now[kind] != written.get(kind)} == {
        "ConfigMap": 3,
        "ModelRoute": 1,
    }


def test_a_deleted_route_is_served_no_more_within_a_second(site: Site):
    left = ["chat", "other", "third", "last"]
    site.serve(secret(), provider(), *map(route, left))

    def deletion() -> float:
        before = site.index()
        return site.takes(lambda: site.delete("modelroutes", left.pop()), lambda: site.index().digest != before.digest)

    assert any(deletion() < 1.0 for _ in range(3))  # a busy machine may be late once
    for name in left:
        site.delete("modelroutes", name)
    site.until(lambda: site.index().shards == (), "an empty index: the gateway goes on without routes")
    site.until(lambda: site.names("configmaps") == {index_name(GATEWAY)}, "no shard is left")
    assert site.get("secrets", CREDENTIALS).get("data", {}) == {}


def test_without_a_gateway_routes_say_so_and_with_one_they_are_served(site: Site):
    site.start()
    site.apply(secret(), provider(), route())
    message = site.becomes("modelroutes", "chat", "Accepted", "False", "GatewayNotFound")
    assert message.endswith(f"no Deployment of namespace {site.namespace} is labelled sluice.dev/gateway: {GATEWAY}")
    site.gateway()
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
    site.delete("deployments", GATEWAY)
    site.becomes("modelroutes", "chat", "Accepted", "False", "GatewayNotFound")
    site.until(lambda: not site.names("configmaps") | site.names("secrets"), "the garbage collector has taken all")


def test_a_gateway_that_is_installed_again_at_once_is_served_once_its_old_objects_are_gone(site: Site):
    site.serve(secret(), provider(), route())
    old = site.get("deployments", GATEWAY)["metadata"]["uid"]
    site.delete("deployments", GATEWAY)
    site.gateway()
    new = site.get("deployments", GATEWAY)["metadata"]["uid"]

    def owners() -> set[str]:
        found = [site.find("configmaps", index_name(GATEWAY)), site.find("secrets", CREDENTIALS)]
        return {one["metadata"]["ownerReferences"][0]["uid"] for one in found if one}

    site.until(lambda: owners() == {new} != {old}, "everything is the new one's")
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")


def test_what_routes_ask_of_the_autoscaler_is_merged_and_it_can_be_switched_off(site: Site):
    site.gateway(replicas=None)
    site.start()
    site.apply(
        secret(), provider(), route("a", autoscaling={"minReplicas": 3}), route("b", autoscaling={"maxReplicas": 7})
    )
    site.pods.ready(3)
    site.becomes("modelroutes", "a", "Programmed", "True", "Programmed")
    spec = site.get("horizontalpodautoscalers", GATEWAY)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (3, 10, GATEWAY)
    path = site.path("deployments", GATEWAY)
    site.plane.api.merge(path, {"metadata": {"annotations": {"sluice.dev/autoscaling": "off"}}})
    site.until(lambda: site.find("horizontalpodautoscalers", GATEWAY) is None, "no autoscaler")


def test_the_operators_own_paths(site: Site):
    operator = site.serve(secret(), provider(), route())
    assert operator.get("/healthz") == (200, "ok\n")
    assert operator.get("/readyz") == (200, "ok\n")
    assert operator.metric("sluice_operator_leading") == 1
    assert operator.metric("sluice_operator_resources") == 2
    assert operator.metric("sluice_operator_gateway_pods") == 2
    assert operator.metric("sluice_operator_snapshot_bytes") > 0
    site.until(lambda: operator.metric("sluice_operator_queue_depth") == 0, "nothing to do")
    assert operator.metric("sluice_operator_queue_failing") == 0
    assert operator.metric("sluice_operator_reconcile_duration_seconds_count") > 0
    assert operator.get("/metrics/")[0] == 404
