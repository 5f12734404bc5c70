"""What the operator publishes for a gateway, made by hand: the objects as an API server has them, or mounted files."""

import base64
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from sluice_config.compile import Gateway, Resources, compile_resources
from sluice_config.published import (
    INDEX_KEY,
    PLACES,
    REVISION,
    SHARD_KEY,
    callers_name,
    credentials_name,
    index_name,
    shard_name,
)
from sluice_config.resources import CachePolicy, ModelRoute, ProviderPolicy
from sluice_config.resources.parse import parse_resource
from sluice_config.shards import Index, Place, split
from sluice_config.snapshot import CredentialRef, Snapshot
from sluice_gateway.sources.volume import shard_file

Document = dict[str, Any]
Written = tuple[str, Document]
"""A plural ("configmaps"), and an object."""

GATEWAY = "sluice-gateway"
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Published:
    """A whole publication. Everything that a test would like to have wrong can be replaced."""

    gateway: Gateway
    snapshot: Snapshot
    index: Index
    shards: Mapping[Place, bytes]
    credentials: Mapping[str, str] = field(default_factory=dict)
    callers: Mapping[str, str] = field(default_factory=dict)

    def written(self) -> Iterator[Written]:
        """The objects in the operator's order: credentials, shards, the index last. The callers' keys come first."""
        yield "secrets", self.callers_secret()
        yield "secrets", self.credentials_secret()
        for place in sorted(self.shards):
            yield "configmaps", self.shard_map(place)
        yield "configmaps", self.index_map()

    def index_map(self, data: bytes | None = None) -> Document:
        """The index; with ``data``, something else in its place."""
        text = (data or self.index.dump()).decode()
        return {**_named("ConfigMap", self, index_name(self.gateway.name)), "data": {INDEX_KEY: text}}

    def shard_map(self, place: Place, data: bytes | None = None) -> Document:
        """A shard; with ``data``, something else in its place."""
        packed = {SHARD_KEY: base64.b64encode(data or self.shards[place]).decode()}
        return {**_named("ConfigMap", self, shard_name(self.gateway.name, place)), "binaryData": packed}

    def credentials_secret(self, revision: str | None = None) -> Document:
        """The credentials, with the revision that the index names, or another one."""
        secret = {**_named("Secret", self, credentials_name(self.gateway.name)), "data": _encoded(self.credentials)}
        secret["metadata"]["annotations"] = {REVISION: revision or self.index.credentials_revision}
        return secret

    def callers_secret(self) -> Document:
        """The user's own Secret."""
        return {**_named("Secret", self, callers_name(self.gateway.name)), "data": _encoded(self.callers)}

    def rotated(self, revision: str, **values: str) -> "Published":
        """The same configuration with other keys: Secret name -> value of its ``api-key``."""
        index = self.index.model_copy(update={"credentials_revision": revision})
        return replace(self, index=index, credentials=_keyed(self.gateway.namespace, values))

    def mount(self, folder: Path) -> None:
        """Write it as the kubelet mounts it, in the place of what was there."""
        shutil.rmtree(folder, ignore_errors=True)
        files: dict[str, bytes] = {f"config/{shard_file(place)}": data for place, data in self.shards.items()}
        files |= {f"credentials/{key}": value.encode() for key, value in self.credentials.items()}
        files |= {f"keys/{key}": value.encode() for key, value in self.callers.items()}
        for name, data in {**files, f"config/{INDEX_KEY}": self.index.dump()}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def publish(
    text: str,
    *,
    keys: Mapping[str, str] = NOTHING,
    callers: Mapping[str, str] = NOTHING,
    namespace: str = "default",
    live: Index | None = None,
    revision: str = "",
    name: str = GATEWAY,
) -> Published:
    """Compile documents and publish the result. ``keys``: Secret name -> value of its key ``api-key``."""
    gateway = Gateway(namespace, name)
    resources = [parse_resource(_moved(found, namespace)) for found in yaml.safe_load_all(text) if found]
    compiled = compile_resources(
        gateway,
        Resources(
            routes=[item for item in resources if isinstance(item, ModelRoute)],
            providers=[item for item in resources if isinstance(item, ProviderPolicy)],
            caches=[item for item in resources if isinstance(item, CachePolicy)],
            secrets={(namespace, name): frozenset({"api-key"}) for name in keys},
        ),
    )
    done = split(compiled.snapshot, live)
    index = done.index.model_copy(update={"credentials_revision": revision or ("r1" if keys else "0")})
    return Published(gateway, compiled.snapshot, index, done.shards, _keyed(namespace, keys), callers)


def _moved(document: Document, namespace: str) -> Document:
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


def _keyed(namespace: str, keys: Mapping[str, str]) -> dict[str, str]:
    refs = {name: CredentialRef(namespace=namespace, name=name, key="api-key") for name in keys}
    return {refs[name].data_key: value for name, value in keys.items()}


def _named(kind: str, published: Published, name: str) -> Document:
    metadata = {"name": name, "namespace": published.gateway.namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def _encoded(values: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def rules(gateway: str = GATEWAY) -> list[Document]:
    """RBAC's rules for a gateway's pods: all that they need."""
    watched = ["list", "watch"]
    return [
        _rule("configmaps", [index_name(gateway)], watched),
        _rule("configmaps", [shard_name(gateway, place) for place in PLACES], ["get"]),
        _rule("secrets", [credentials_name(gateway), callers_name(gateway)], watched),
    ]


def _rule(resource: str, names: list[str], verbs: list[str]) -> Document:
    return {"apiGroups": [""], "resources": [resource], "resourceNames": names, "verbs": verbs}
