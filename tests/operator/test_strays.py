"""A Deployment that is another gateway, or none any more: what it leaves behind goes, and nothing else."""

from typing import Any

from sluice_config.published import GATEWAY_LABEL, credentials_name, index_name
from tests.support.kubernetes_api import Document
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret

KINDS = ("horizontalpodautoscalers", "secrets", "configmaps")


def relabel(site: Site, name: str | None) -> None:
    site.plane.api.merge(site.path("deployments", GATEWAY), {"metadata": {"labels": {GATEWAY_LABEL: name}}})


def strangers(site: Site) -> list[Document]:
    """What looks like a child of the gateway in one way or another, and is none."""
    owner = site.get("deployments", GATEWAY)["metadata"]["uid"]
    labels = {"app.kubernetes.io/managed-by": "sluice-operator", GATEWAY_LABEL: GATEWAY}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": GATEWAY, "uid": owner}

    def made(name: str, **metadata: Any) -> Document:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}

    return [
        made("labelled", labels=labels),
        made("owned", ownerReferences=[reference]),
        made("both", labels=labels, ownerReferences=[reference]),
    ]


def served(site: Site) -> None:
    """A gateway with an autoscaler, its children, and strangers beside them; another name for it is allowed too."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [credentials_name("edge")]}
    site.grant("edge", [rule | {"verbs": ["get", "list", "watch", "patch", "delete"]}])
    site.gateway(replicas=None)
    site.apply(secret(), provider(), route())
    site.apply(*strangers(site))
    site.until(lambda: all(site.names(kind) for kind in KINDS), "all children")
    site.until(lambda: bool(site.find("configmaps", index_name(GATEWAY))), "the index")
    site.until(lambda: bool(site.index().shards), "what it tells")


def leftovers(site: Site) -> set[str]:
    return {name for kind in KINDS for name in site.names(kind)} - {"owned", "both"}


def test_children_of_the_old_name_go_and_the_new_one_is_served(site: Site):
    operator = site.start()
    served(site)
    relabel(site, "edge")
    site.until(lambda: leftovers(site) == {index_name("edge"), credentials_name("edge"), "edge"}, "the new ones alone")
    for stranger in ("labelled", "owned", "both"):
        assert site.find("configmaps", stranger)
    assert operator.logged("former gateways' objects deleted")["objects"] >= 4  # a superseded shard may be there


def test_a_deployment_that_is_no_gateway_keeps_nothing(site: Site):
    site.start()
    served(site)
    relabel(site, None)
    site.until(lambda: leftovers(site) == set(), "nothing is left")
    assert site.find("configmaps", "both")


def test_what_was_left_while_no_operator_ran_goes_too(site: Site):
    first = site.start()
    served(site)
    assert first.ended() == 0
    relabel(site, None)
    site.start("two")
    site.until(lambda: leftovers(site) == set(), "nothing is left")


def test_a_name_that_another_deployment_has_now_becomes_free(site: Site):
    site.start()
    served(site)
    relabel(site, "edge")
    heir = site.get("deployments", GATEWAY)
    about = {"name": "heir", "labels": {GATEWAY_LABEL: GATEWAY}, "annotations": {"sluice.dev/autoscaling": "off"}}
    site.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": heir["spec"]})

    def owner() -> str | None:
        found = site.find("configmaps", index_name(GATEWAY))
        return found["metadata"]["ownerReferences"][0]["name"] if found else None

    site.until(lambda: owner() == "heir", "the heir's own index")
