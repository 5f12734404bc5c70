"""A gateway's configuration: what of it fits, and the ConfigMaps that carry it."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sluice_config.compile import Compiled, Gateway, Resources, compile_resources
from sluice_config.findings import Finding, Level
from sluice_config.published import INDEX_KEY, SHARD_KEY, index_name, shard_name
from sluice_config.resources import ResourceKey
from sluice_config.shards import BrokenShards, Index, Split, TooLarge, split
from sluice_config.snapshot import CredentialRef, Snapshot
from sluice_operator.render.credentials import oversized
from sluice_operator.render.gateway import GatewayObject, Object, metadata

Values = Mapping[CredentialRef, bytes]
"""What references to credentials stand for. Never shown, logged or hashed."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a gateway is to run: `values` has what the snapshot refers to and nothing else."""

    compiled: Compiled
    split: Split
    values: Values

    def __repr__(self) -> str:
        return f"Configuration({self.split.index.digest})"


def configure(gateway: Gateway, resources: Resources, values: Values, previous: Index | None) -> Configuration:
    """Compile all resources of a gateway and cut the result into shards, whose slots `previous` decides.

    What is too large is refused, with a finding (TooLarge), as if it were not there; everything else goes on.
    """
    refused: list[Finding] = []
    while True:
        compiled = compile_resources(gateway, replace(resources, refused=(*resources.refused, *refused)))
        wanted = {ref: values[ref] for ref in compiled.snapshot.credential_refs if ref in values}
        large = list(_with_large_credentials(compiled.snapshot, wanted))
        if large:
            refused += large
            continue
        try:
            return Configuration(compiled, split(compiled.snapshot, previous), wanted)
        except TooLarge as error:
            refused += [_too_large(key, "", "with it, the configuration would not fit") for key in error.resources]


def read_index(live: Object | None) -> Index | None:
    """The index in its ConfigMap; None when there is none, or none that this version can read."""
    try:
        return Index.load((live or {})["data"][INDEX_KEY].encode())
    except (KeyError, TypeError, AttributeError, BrokenShards):
        return None


def shard_objects(gateway: GatewayObject, parts: Split) -> Iterator[Object]:
    """Every shard that the index names: in a slot that the previous index does not name, or unchanged."""
    for place, packed in sorted(parts.shards.items()):
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(gateway, shard_name(gateway.name, place)),
            "binaryData": {SHARD_KEY: base64.b64encode(packed).decode()},
        }


def index_object(gateway: GatewayObject, index: Index) -> Object:
    """The index itself."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(gateway, index_name(gateway.name)),
        "data": {INDEX_KEY: index.dump().decode()},
    }


def _with_large_credentials(snapshot: Snapshot, values: Values) -> Iterator[Finding]:
    large = oversized(values)
    for provider in snapshot.providers:
        if provider.credentials in large:
            yield _too_large(provider.key, "spec.credentials.secretRef", "the Secret's value is too large")
    for cache in snapshot.caches:
        own = Snapshot(gateway=snapshot.gateway, caches=(cache,)).credential_refs
        if large.intersection(own):
            yield _too_large(cache.key, "spec.store.external.secretRef", "the Secret's value is too large")


def _too_large(key: ResourceKey, field: str, message: str) -> Finding:
    return Finding(key, field, Level.ERROR, "TooLarge", message)
