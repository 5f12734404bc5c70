"""A namespace of a real API server with a gateway, and with operators that serve it; and what users apply there."""

import base64
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sluice_config.codec import dump
from sluice_config.published import SHARD_KEY, index_name, shard_name
from sluice_config.shards import Index, join
from sluice_config.snapshot import Snapshot
from tests.support.canary import CANARY
from tests.support.cluster import PATIENCE, RBAC_PATH, ControlPlane
from tests.support.kubernetes_api import Api, ApiRefused, Document
from tests.support.operator import CREDENTIALS_RULES, WRITER_RULES, Operator, kubeconfig, running, token_for
from tests.support.pods import GATEWAY, Pods, deployment, pods_of
from tests.support.resources import API_VERSION, document
from tests.support.warm import Warm

PLURALS = {"ModelRoute": "modelroutes", "ProviderPolicy": "providerpolicies", "CachePolicy": "cachepolicies"}


class Site:
    """A namespace with a gateway, and an operator that serves it. ``warm``: where its operators come from."""

    def __init__(
        self, plane: ControlPlane, namespace: str, folder: Path, stack: ExitStack, warm: Warm | None = None
    ) -> None:
        self.plane, self.namespace, self.folder, self._stack, self.warm = plane, namespace, folder, stack, warm
        self.pods: Pods = stack.enter_context(pods_of(plane, namespace))
        self._token = ""

    def start(self, name: str = "one", *, credentials: bool = True, server: str = "", **environ: str) -> Operator:
        """Another replica of the operator.

        ``credentials``: whether the namespace lets it read Secrets. ``server``: the way to the API server.
        """
        self._token = self._token or token_for(self.plane, self.namespace, credentials=credentials)
        config = kubeconfig(self.plane, self._token, self.folder, name, server)
        return self._stack.enter_context(running(config, self.namespace, self.folder, name, self.warm, **environ))

    def gateway(self, replicas: int | None = 2, **annotations: str) -> None:
        """Install a gateway, and let its pods be ready."""
        self.apply(deployment(self.pods.port, replicas, **annotations))
        if replicas:
            self.pods.ready(replicas)

    def apply(self, *documents: Document, api: Api | None = None) -> None:
        self.plane.apply(*documents, namespace=self.namespace, api=api)

    def serve(self, *documents: Document) -> Operator:
        """A gateway of two pods and an operator; returns when the resources are told what pods run of them."""
        self.gateway()
        operator = self.start()
        self.apply(*documents)
        for found in documents:
            if found["apiVersion"] == API_VERSION:
                self.becomes(PLURALS[found["kind"]], found["metadata"]["name"], "Programmed", "True", "Programmed")
        self.until(lambda: operator.metric("sluice_operator_queue_depth") == 0, "nothing to do")
        return operator

    def until(self, condition: Callable[[], bool], what: str) -> None:
        self.plane.until(condition, what)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What the block waits for must have come by then."""
        began = time.monotonic()
        yield
        assert time.monotonic() - began < seconds

    def takes(self, change: Callable[[], None], seen: Callable[[], bool]) -> float:
        """Make a change; the seconds until it is seen."""
        began = time.monotonic()
        change()
        self.until(seen, "the change")
        return time.monotonic() - began

    def delete(self, kind: str, name: str) -> None:
        self.plane.api.delete(self.path(kind, name))

    def admit(self, home: str) -> None:
        """Let the operator of another namespace write here, and read Secrets."""
        self.grant("sluice-gateway-writer", [*WRITER_RULES, *CREDENTIALS_RULES], home)

    def grant(self, name: str, rules: Sequence[Document], home: str = "") -> None:
        """Let the operators of this namespace, or of another one, do this too."""
        path = f"{RBAC_PATH}/namespaces/{self.namespace}"
        self.plane.api.create(f"{path}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "namespace": home or self.namespace, "name": "sluice-operator"}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        self.plane.api.create(f"{path}/rolebindings", binding)

    def events(self) -> list[tuple[str, int]]:
        """Reasons of the Events on the gateway, and how many there are of each."""
        items = self.plane.api.get(self.path("events"))["items"]
        ours = [item["reason"] for item in items if item["source"].get("component") == "sluice-operator"]
        return sorted(Counter(ours).items())

    def shards(self) -> set[str]:
        """The names of the shards that the index names."""
        return {f"{GATEWAY}-config-{entry.number}-{entry.slot}" for entry in self.index().shards}

    def snapshot(self, api: Api | None = None) -> Snapshot:
        """What a gateway that starts now would run; it must be whole."""
        index, shards = self.index(api), {}
        for entry in index.shards:
            found = self.get("configmaps", shard_name(GATEWAY, (entry.number, entry.slot)), api)
            shards[entry.number, entry.slot] = base64.b64decode(found["binaryData"][SHARD_KEY])
        return join(index, shards)

    def unpacked(self) -> str:
        """All that is in the shards."""
        return dump(self.snapshot()).decode()

    def path(self, kind: str, name: str = "") -> str:
        group = {"configmaps": "api/v1", "secrets": "api/v1", "events": "api/v1", "pods": "api/v1"}
        group |= {"deployments": "apis/apps/v1", "horizontalpodautoscalers": "apis/autoscaling/v2"}
        return f"/{group.get(kind, 'apis/sluice.dev/v1alpha1')}/namespaces/{self.namespace}/{kind}/{name}".rstrip("/")

    def get(self, kind: str, name: str, api: Api | None = None) -> Document:
        """An object. ``api`` is another connection, for another thread."""
        return (api or self.plane.api).get(self.path(kind, name))

    def find(self, kind: str, name: str, api: Api | None = None) -> Document | None:
        try:
            return self.get(kind, name, api)
        except ApiRefused:
            return None

    def names(self, kind: str) -> set[str]:
        """The names of what the operator made."""
        items = self.plane.api.get(self.path(kind))["items"]
        return {item["metadata"]["name"] for item in items if item["metadata"].get("ownerReferences")}

    def index(self, api: Api | None = None) -> Index:
        return Index.load(self.get("configmaps", index_name(GATEWAY), api)["data"]["index.json"].encode())

    def condition(self, kind: str, name: str, of_type: str = "Ready") -> Document:
        """A condition; empty while there is none, or while it is about an older generation."""
        return _condition(self.find(kind, name) or {}, of_type)

    def reasons(self, kind: str, of_type: str) -> dict[str, str]:
        """The reasons of a condition of all objects, by name; empty while there is none."""
        items = self.plane.api.get(self.path(kind))["items"]
        return {one["metadata"]["name"]: str(_condition(one, of_type).get("reason", "")) for one in items}

    def becomes(self, kind: str, name: str, *wanted: str, within: float = PATIENCE) -> str:
        """Wait until a condition is so: its type, status and reason. Its message."""
        of_type, status, reason = wanted

        def said() -> tuple[Any, Any]:
            condition = self.condition(kind, name, of_type)
            return condition.get("status"), condition.get("reason")

        try:
            self.plane.until(lambda: said() == (status, reason), f"{kind} {name}: {wanted}", within)
        except AssertionError:
            raise AssertionError(f"not {wanted}: {self.find(kind, name)}") from None
        return str(self.condition(kind, name, of_type)["message"])


def _condition(found: Document, of_type: str) -> Document:
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["type"] == of_type and condition["observedGeneration"] == found["metadata"]["generation"]:
            return dict(condition)
    return {}


def provider(name: str = "openai", **spec: Any) -> Document:
    """One that needs the Secret of its name; a field that is None is left out."""
    fields = {"provider": "openai", "credentials": {"secretRef": {"name": name, "key": "api-key"}}, **spec}
    return document("ProviderPolicy", name, {field: value for field, value in fields.items() if value is not None})


def secret(name: str = "openai", value: str = CANARY) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"api-key": value}}


def route(name: str = "chat", *models: str, **spec: Any) -> Document:
    """One whose model has its name unless said otherwise."""
    targets = [{"provider": "openai", "model": "gpt-4o-mini"}]
    return document("ModelRoute", name, {"models": list(models or (name,)), "targets": targets, **spec})
