"""The operator as a process of its own beside a real API server: what users apply, and what they and gateways read."""

import base64
import json

from sluice_config.published import index_name
from tests.support.canary import CANARY
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret


def test_what_is_applied_is_published_and_acknowledged(site: Site):
    site.gateway(replicas=None)
    site.start()
    site.apply(secret(), provider(), route("chat", "chat", "gpt-*"))
    site.becomes("modelroutes", "chat", "Programmed", "False", "NoPods")
    site.pods.ready(2)  # made by the autoscaler's minimum
    site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
    site.becomes("providerpolicies", "openai", "Ready", "True", "Programmed")
    status = site.get("modelroutes", "chat")["status"]
    assert (status["models"], status["programmed"]) == ("chat,gpt-*", "2/2 pods")

    owner = site.get("deployments", GATEWAY)["metadata"]["uid"]
    shards = {f"{GATEWAY}-config-{entry.number}-{entry.slot}" for entry in site.index().shards}
    assert site.names("configmaps") == {index_name(GATEWAY), *shards}
    assert site.names("secrets") == {f"{GATEWAY}-credentials"}
    assert site.names("horizontalpodautoscalers") == {GATEWAY}
    for kind, name in (("configmaps", index_name(GATEWAY)), ("horizontalpodautoscalers", GATEWAY)):
        about = site.get(kind, name)["metadata"]
        assert [reference["uid"] for reference in about["ownerReferences"]] == [owner]
        assert "app.kubernetes.io/instance" not in about["labels"]
    data = site.get("secrets", f"{GATEWAY}-credentials")["data"]
    assert data == {f"{site.namespace}.openai.api-key": base64.b64encode(CANARY.encode()).decode()}
    columns = site.plane.kubectl("get", "modelroutes", f"--namespace={site.namespace}").splitlines()[1].split()
    assert columns[:7] == ["chat", "chat,gpt-*", "priority", "True", "2/2", "pods", "Programmed"]
    assert "finalizers" not in json.dumps(site.get("modelroutes", "chat")["metadata"])
