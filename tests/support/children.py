"""A gateway's children as an API server would keep them, written one after the other, and as a gateway reads them."""

import base64
import gzip
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sluice_config.compile import Gateway, Resources
from sluice_config.published import (
    GATEWAY_LABEL,
    INDEX_KEY,
    PLACES,
    REVISION,
    SHARD_KEY,
    credentials_name,
    index_name,
    shard_name,
)
from sluice_config.shards import Index, join
from sluice_config.snapshot import CredentialRef, Snapshot
from sluice_operator.render import (
    GatewayObject,
    Object,
    ObjectKey,
    Values,
    changes,
    configure,
    foreign,
    key_of,
    obsolete,
    read_index,
    render,
)
from tests.support.resources import Document

DEPLOYMENT = GatewayObject("uid-1", "default", "sluice-gateway", "sluice-gateway")


def deployment(documents: Iterable[Document]) -> GatewayObject:
    """The gateway among the documents: a Deployment with its label."""
    for found in documents:
        if found["kind"] == "Deployment":
            about = found["metadata"]
            return GatewayObject(
                about.get("uid", "uid-1"),
                about.get("namespace", "default"),
                about["labels"][GATEWAY_LABEL],
                about["name"],
                about.get("annotations", {}),
            )
    return DEPLOYMENT


def values(documents: Iterable[Document]) -> Values:
    """What the Secrets among the documents hold."""
    return {
        CredentialRef(
            namespace=found["metadata"].get("namespace", "default"), name=found["metadata"]["name"], key=key
        ): (text.encode())
        for found in documents
        if found["kind"] == "Secret"
        for key, text in found["stringData"].items()
    }


class Children:
    """The objects of one gateway."""

    def __init__(self, gateway: GatewayObject = DEPLOYMENT) -> None:
        self.gateway = gateway
        self.live: dict[ObjectKey, Object] = {}
        self._drawn = itertools.count(1)

    def reconcile(self, resources: Resources, given: Values) -> Iterator[Object]:
        """Write what has to change; gives each object after it was written, and goes on when asked for the next."""
        gateway = self.gateway
        previous = read_index(self.live.get(ObjectKey("ConfigMap", index_name(gateway.name))))
        configuration = configure(Gateway(gateway.namespace, gateway.name), resources, given, previous)
        rendered = render(
            gateway,
            configuration,
            resources.routes,
            previous=previous,
            live_credentials=self.live.get(ObjectKey("Secret", credentials_name(gateway.name))),
            new_revision=lambda: f"{next(self._drawn):016x}",
        )
        assert foreign(gateway, rendered.children, self.live) == []
        for child in changes(rendered.children, self.live):
            self.apply(child)
            yield child
        for key in obsolete(gateway, rendered.children, self.live):
            yield {"deleted": self.live.pop(key)}

    def apply(self, child: Object) -> None:
        """As server-side apply with one manager: what the manager no longer mentions goes, what others added stays."""
        before = self.live.get(key_of(child), {})
        kept = {name: value for name, value in before.items() if name not in {"data", "binaryData", "spec"}}
        defaults: Object = {"status": {}} if child["kind"] == "HorizontalPodAutoscaler" else {}
        self.live[key_of(child)] = _merged(kept | defaults, child)

    def index(self) -> Index:
        """The index that is there."""
        found = read_index(self.live[ObjectKey("ConfigMap", index_name(self.gateway.name))])
        assert found is not None
        return found

    def read(self) -> Snapshot:
        """What a gateway that starts now would run: whole, and with every credential that it refers to."""
        snapshot = join(self.index(), self._shards())
        secret = self.live[ObjectKey("Secret", credentials_name(self.gateway.name))]
        assert {ref.data_key for ref in snapshot.credential_refs} <= set(secret["data"])
        return snapshot

    def _shards(self) -> Mapping[Any, bytes]:
        found = {}
        for place in PLACES:
            key = ObjectKey("ConfigMap", shard_name(self.gateway.name, place))
            if key in self.live:
                found[place] = base64.b64decode(self.live[key]["binaryData"][SHARD_KEY])
        return found


def readable(gateway: GatewayObject, written: Object) -> Any:
    """One write, for people: shards unpacked to what they hold, without what all children have in common."""
    if "deleted" in written:
        return f"delete {' '.join(key_of(written['deleted']))}"
    about = written["metadata"]
    assert about["namespace"] == gateway.namespace
    assert about["ownerReferences"][0]["uid"] == gateway.uid
    revision = about["annotations"].get(REVISION)
    title = f"{written['kind']} {about['name']}" + (f" revision {revision}" if revision else "")
    if written["kind"] == "Secret":
        return {title: {key: base64.b64decode(value).decode() for key, value in written["data"].items()}}
    if written["kind"] == "HorizontalPodAutoscaler":
        return {title: written["spec"]}
    if "binaryData" in written:
        return {title: _held(written)}
    index = Index.load(written["data"][INDEX_KEY].encode())
    places = " ".join(f"{entry.number}{entry.slot}" for entry in index.shards)
    return {title: f"shards {places or 'none'}, credentials {index.credentials_revision}"}


def _held(written: Object) -> list[str]:
    content = json.loads(gzip.decompress(base64.b64decode(written["binaryData"][SHARD_KEY])))
    return [
        f"{part[:-1]} {item['namespace']}/{item['name']} generation {item['generation']}"
        for part, items in content.items()
        for item in items
    ]


def _merged(base: Object, over: Object) -> Object:
    result = dict(base)
    for name, value in over.items():
        there = result.get(name)
        parts = name not in {"data", "binaryData", "spec"} and isinstance(value, dict) and isinstance(there, dict)
        result[name] = _merged(there or {}, value) if parts else value
    return result
