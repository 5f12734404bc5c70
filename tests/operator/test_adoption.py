"""A Deployment that is deleted without its children and made anew takes them over; what a stranger made it does not."""

from typing import Any

import pytest

from sluice_config.published import GATEWAY_LABEL, credentials_name, index_name
from sluice_operator.render import GatewayObject, Object
from sluice_operator.render.changes import is_owned
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret

OWNER = GatewayObject("new", "default", "edge", "edge-proxy")
LABELS = {"app.kubernetes.io/managed-by": "sluice-operator", GATEWAY_LABEL: "edge"}
MARKED: dict[str, Any] = {
    "labels": LABELS,
    "managedFields": [{"manager": "sluice-operator", "operation": "Apply"}],
}


def reference(uid: str, name: str = "edge-proxy", kind: str = "Deployment") -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid}


@pytest.mark.parametrize(
    ("about", "owned"),
    [
        (MARKED, True),
        (MARKED | {"ownerReferences": [reference("old")]}, True),
        (MARKED | {"ownerReferences": [reference("old", "other")]}, False),
        (MARKED | {"ownerReferences": [reference("old", kind="StatefulSet")]}, False),
        (MARKED | {"ownerReferences": [reference("old"), reference("theirs", "other")]}, False),
        (MARKED | {"ownerReferences": [reference("theirs", "other"), reference("new")]}, True),
        (MARKED | {"managedFields": []}, False),
        (MARKED | {"managedFields": [{"manager": "kubectl", "operation": "Apply"}]}, False),
        (MARKED | {"managedFields": [{"manager": "sluice-operator", "operation": "Update"}]}, False),
        (MARKED | {"labels": {GATEWAY_LABEL: "edge"}}, False),
        (MARKED | {"labels": LABELS | {GATEWAY_LABEL: "other"}}, False),
        ({}, False),
        ({"ownerReferences": [reference("new")]}, True),
    ],
)
def test_what_is_the_gateways_own(about: dict[str, Any], owned: bool):
    assert is_owned(OWNER, {"metadata": about}) is owned


def test_orphans_are_adopted(site: Site):
    first = site.serve(secret(), provider(), route())
    assert first.ended() == 0
    kept = site.get("configmaps", index_name(GATEWAY))["metadata"]["uid"]
    where = f"--namespace={site.namespace}"
    site.plane.kubectl("delete", "deployment", GATEWAY, where, "--cascade=orphan")
    site.until(lambda: site.names("configmaps") | site.names("secrets") == set(), "nobody owns the children")
    site.gateway()
    site.start("two")
    site.apply(route("another"))
    site.becomes("modelroutes", "another", "Ready", "True", "Programmed")
    owner = site.get("deployments", GATEWAY)["metadata"]["uid"]
    for kind, name in (("configmaps", index_name(GATEWAY)), ("secrets", credentials_name(GATEWAY))):
        [only] = site.get(kind, name)["metadata"]["ownerReferences"]
        assert only["uid"] == owner
    assert site.get("configmaps", index_name(GATEWAY))["metadata"]["uid"] == kept
    site.until(lambda: site.names("configmaps") == {index_name(GATEWAY), *site.shards()}, "no old shard is left")
    assert "NameTaken" not in dict(site.events())
