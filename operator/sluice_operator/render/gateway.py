"""The gateway as Kubernetes knows it, and what all of its children have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice_config.published import GATEWAY_LABEL

Object = dict[str, Any]
"""A Kubernetes object as its JSON has it; only the fields that are meant."""

PART_OF = "sluice"
MANAGED_BY = "sluice-operator"
IGNORE_UPDATES = "argocd.argoproj.io/ignore-resource-updates"
"""Argo CD need not look at a gateway's Application again each time that a shard changes."""


@dataclass(frozen=True, slots=True)
class GatewayObject:
    """A Deployment that is a gateway. `name` is the gateway's, from its label; `deployment` is the Deployment's own."""

    uid: str
    namespace: str
    name: str
    deployment: str
    annotations: Mapping[str, str] = field(default_factory=dict)


def metadata(gateway: GatewayObject, name: str) -> Object:
    """Metadata of a child.

    Nothing is copied from the Deployment: labels of the tool that installed it would make that tool prune the child.
    Deleting the Deployment need not wait for its children (blockOwnerDeletion); only it may claim them (controller).
    """
    return {
        "name": name,
        "namespace": gateway.namespace,
        "labels": {
            "app.kubernetes.io/managed-by": MANAGED_BY,
            "app.kubernetes.io/part-of": PART_OF,
            GATEWAY_LABEL: gateway.name,
        },
        "annotations": {IGNORE_UPDATES: "true"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": gateway.deployment,
                "uid": gateway.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
