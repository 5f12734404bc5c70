"""Resources for tests, as short as the rule that they are about."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sluice_config.compile import Gateway, Resources, RoutesFrom
from sluice_config.resources import CachePolicy, ModelRoute, ProviderPolicy, parse_resource

API_VERSION = "sluice.dev/v1alpha1"

Document = dict[str, Any]


def document(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Document:
    """One resource as its YAML would be read."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **metadata}, "spec": dict(spec)}


def route(name: str, models: Sequence[str], targets: Iterable[Document] = (), **rest: Any) -> ModelRoute:
    """A ModelRoute; what is no field of metadata belongs to its spec."""
    metadata = {key: rest.pop(key) for key in ("namespace", "generation", "creationTimestamp") if key in rest}
    spec = {"models": list(models), "targets": list(targets), **rest}
    resource = parse_resource(document("ModelRoute", name, spec, **metadata))
    assert isinstance(resource, ModelRoute)
    return resource


def provider(name: str, vendor: str = "mock", namespace: str = "default", **spec: Any) -> ProviderPolicy:
    """A ProviderPolicy."""
    resource = parse_resource(
        document("ProviderPolicy", name, {"provider": vendor, **spec}, namespace=namespace),
    )
    assert isinstance(resource, ProviderPolicy)
    return resource


def cache(name: str, namespace: str = "default", **spec: Any) -> CachePolicy:
    """A CachePolicy, in memory unless said otherwise."""
    resource = parse_resource(document("CachePolicy", name, {"store": {"memory": {}}, **spec}, namespace=namespace))
    assert isinstance(resource, CachePolicy)
    return resource


def read(file: Path) -> list[Document]:
    """The documents of a YAML file."""
    return [found for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]


def inputs(documents: Iterable[Document]) -> tuple[Gateway, Resources]:
    """What compile takes, from documents: resources, Secrets, ConfigMaps, and at most one of kind Gateway.

    The last is the tests' own: ``{kind: Gateway, namespace, name, routesFrom, local}``.
    """
    gateway = Gateway()
    routes, providers, caches = [], [], []
    data: dict[str, dict[tuple[str, str], frozenset[str]]] = {"Secret": {}, "ConfigMap": {}}
    for found in documents:
        if found["kind"] == "Gateway":
            gateway = _gateway(found)
        elif found["kind"] in data:
            metadata = found["metadata"]
            keys = frozenset({*found.get("data", ()), *found.get("stringData", ())})
            data[found["kind"]][metadata.get("namespace", "default"), metadata["name"]] = keys
        else:
            match parse_resource(found):
                case ModelRoute() as resource:
                    routes.append(resource)
                case ProviderPolicy() as resource:
                    providers.append(resource)
                case CachePolicy() as resource:
                    caches.append(resource)
    return gateway, Resources(routes, providers, caches, data["Secret"], data["ConfigMap"])


def _gateway(found: Document) -> Gateway:
    fields = {key: value for key, value in found.items() if key not in {"kind", "routesFrom"}}
    grant = found.get("routesFrom", "Same")
    return Gateway(**fields, routes_from=RoutesFrom(grant) if isinstance(grant, str) else frozenset(grant))
