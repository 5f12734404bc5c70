"""A namespace of a real API server with a gateway, and with operators that serve it; and what users apply there."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sluice_config.published import index_name
from sluice_config.shards import Index
from tests.support.canary import CANARY
from tests.support.cluster import ControlPlane
from tests.support.kubernetes_api import ApiRefused, Document
from tests.support.operator import Operator, kubeconfig, running, token_for
from tests.support.pods import GATEWAY, Pods, deployment, pods_of
from tests.support.resources import document


class Site:
    """A namespace with a gateway, and an operator that serves it."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path, stack: ExitStack) -> None:
        self.plane, self.namespace, self.folder, self._stack = plane, namespace, folder, stack
        self.pods: Pods = stack.enter_context(pods_of(plane, namespace))
        self._config: Path | None = None

    def start(self, name: str = "one", **environ: str) -> Operator:
        """Another replica of the operator."""
        if self._config is None:
            self._config = kubeconfig(self.plane, token_for(self.plane, self.namespace), self.folder)
        return self._stack.enter_context(running(self._config, self.namespace, self.folder, name, **environ))

    def gateway(self, replicas: int | None = 2, **annotations: str) -> None:
        """Install a gateway, and let its pods be ready."""
        self.apply(deployment(self.pods.port, replicas, **annotations))
        if replicas:
            self.pods.ready(replicas)

    def apply(self, *documents: Document) -> None:
        self.plane.apply(*documents, namespace=self.namespace)

    def path(self, kind: str, name: str = "") -> str:
        group = {"configmaps": "api/v1", "secrets": "api/v1", "events": "api/v1", "pods": "api/v1"}
        group |= {"deployments": "apis/apps/v1", "horizontalpodautoscalers": "apis/autoscaling/v2"}
        return f"/{group.get(kind, 'apis/sluice.dev/v1alpha1')}/namespaces/{self.namespace}/{kind}/{name}".rstrip("/")

    def get(self, kind: str, name: str) -> Document:
        return self.plane.api.get(self.path(kind, name))

    def find(self, kind: str, name: str) -> Document | None:
        try:
            return self.get(kind, name)
        except ApiRefused:
            return None

    def names(self, kind: str) -> set[str]:
        """The names of what the operator made."""
        items = self.plane.api.get(self.path(kind))["items"]
        return {item["metadata"]["name"] for item in items if item["metadata"].get("ownerReferences")}

    def index(self) -> Index:
        return Index.load(self.get("configmaps", index_name(GATEWAY))["data"]["index.json"].encode())

    def condition(self, kind: str, name: str, of_type: str = "Ready") -> Document:
        """A condition; empty while there is none, or while it is about an older generation."""
        found = self.find(kind, name) or {}
        for condition in found.get("status", {}).get("conditions", ()):
            if condition["type"] == of_type and condition["observedGeneration"] == found["metadata"]["generation"]:
                return dict(condition)
        return {}

    def becomes(self, kind: str, name: str, *wanted: str) -> str:
        """Wait until a condition is so: its type, status and reason. Its message."""
        of_type, status, reason = wanted

        def said() -> tuple[Any, Any]:
            condition = self.condition(kind, name, of_type)
            return condition.get("status"), condition.get("reason")

        try:
            self.plane.until(lambda: said() == (status, reason), f"{kind} {name}: {wanted}")
        except AssertionError:
            raise AssertionError(f"not {wanted}: {self.find(kind, name)}") from None
        return str(self.condition(kind, name, of_type)["message"])


def provider(name: str = "openai", **spec: Any) -> Document:
    credentials = {"secretRef": {"name": name, "key": "api-key"}}
    return document("ProviderPolicy", name, {"provider": "openai", "credentials": credentials, **spec})


def secret(name: str = "openai", value: str = CANARY) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"api-key": value}}


def route(name: str = "chat", *models: str, **spec: Any) -> Document:
    targets = [{"provider": "openai", "model": "gpt-4o-mini"}]
    return document("ModelRoute", name, {"models": list(models or (name,)), "targets": targets, **spec})
