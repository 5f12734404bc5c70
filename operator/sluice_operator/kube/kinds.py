"""The kinds of objects that the operator deals with, and where the API has them."""

from dataclasses import dataclass
from typing import Any, Final

from sluice_config.resources.base import API_VERSION

Document = dict[str, Any]
"""An object as the API's JSON has it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of namespaced objects. ``api_version`` is "v1" or "group/version"."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The path of an object, of a namespace's collection, or (without namespace) of the whole collection."""
        parts = ["apis" if "/" in self.api_version else "api", self.api_version]
        parts += ["namespaces", namespace] if namespace else []
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(parts)

    def document(self, namespace: str, name: str, **content: Any) -> Document:
        """A document of this kind."""
        head: Document = {"apiVersion": self.api_version, "kind": self.name}
        return head | {"metadata": {"namespace": namespace, "name": name}} | content


MODEL_ROUTE: Final = Kind(API_VERSION, "ModelRoute", "modelroutes")
PROVIDER_POLICY: Final = Kind(API_VERSION, "ProviderPolicy", "providerpolicies")
CACHE_POLICY: Final = Kind(API_VERSION, "CachePolicy", "cachepolicies")
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SECRET: Final = Kind("v1", "Secret", "secrets")
POD: Final = Kind("v1", "Pod", "pods")
NAMESPACE: Final = Kind("v1", "Namespace", "namespaces")
EVENT: Final = Kind("v1", "Event", "events")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
AUTOSCALER: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")

KINDS: Final = {
    kind.name: kind
    for kind in (
        *(MODEL_ROUTE, PROVIDER_POLICY, CACHE_POLICY),
        *(CONFIG_MAP, SECRET, POD, NAMESPACE, EVENT, DEPLOYMENT, AUTOSCALER, LEASE),
    )
}


def metadata_of(document: Document) -> Document:
    """The object's metadata; empty where there is none."""
    return document.get("metadata") or {}
