"""A gateway's children in the API server: read, compared with what was rendered, and written in the right order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sluice_config.published import GATEWAY_LABEL, PLACES, credentials_name, index_name, shard_name
from sluice_config.shards import Index
from sluice_operator.kube.api import Api
from sluice_operator.kube.kinds import AUTOSCALER, CONFIG_MAP, KINDS, SECRET, Document, metadata_of
from sluice_operator.kube.together import together
from sluice_operator.render import (
    GatewayObject,
    Object,
    ObjectKey,
    Rendered,
    changes,
    foreign,
    is_changed,
    key_of,
    obsolete,
    strange,
)
from sluice_operator.render.changes import is_owned
from sluice_operator.writing import Writer

Live = dict[ObjectKey, Document]
"""The objects that are there, by identity."""

_MOST_NAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Written:
    """How many objects were written or deleted; none when a name belongs to somebody else, and `taken` says which."""

    count: int = 0
    taken: str = ""


class Children:
    """Reads and writes the objects of gateways. Every method raises KubeError, those that write LeaseLost too."""

    def __init__(self, api: Api, writer: Writer) -> None:
        self._api, self._writer = api, writer

    async def begin(self, owner: GatewayObject) -> Live:
        """What has to be known before anything can be rendered: the index and the credentials that are there."""
        index = await self._find(
            owner, [index_key(owner)]
        )  # first, so that what is missing is always told the same way
        return index | await self._find(owner, [credentials_key(owner)])

    async def write(self, owner: GatewayObject, rendered: Rendered, begun: Live) -> Written:
        """Write what is not there as meant. ``begun`` is what ``begin`` gave.

        Nothing is written when one of the names belongs to somebody else. Each write is refused (Conflict) when the
        object has changed since it was read: by another leader, for one.
        """
        keys = dict.fromkeys([*map(key_of, rendered.children), ObjectKey(AUTOSCALER.name, owner.name)])
        live = {**begun, **await self._find(owner, [key for key in keys if key not in begun])}
        taken = foreign(owner, rendered.children, live)
        if taken:
            names = ", ".join(" ".join(key) for key in taken[:_MOST_NAMES])
            return Written(
                taken=f"{names} of namespace {owner.namespace} is not the gateway's own: delete or rename it"
            )
        wanted, unwanted = changes(rendered.children, live), obsolete(owner, rendered.children, live)
        for child in wanted:
            key = key_of(child)
            live[key] = await self._put(child, live.get(key))
        for key in unwanted:
            await self._writer.delete(live[key])
        return Written(len(wanted) + len(unwanted))

    async def _put(self, child: Object, found: Document | None) -> Document:
        """Make the object what it should be: what others have added to its data is taken out, which apply leaves in."""
        if found is not None and (entries := strange(child, found)):
            nothing = {field: dict.fromkeys(sorted(keys)) for field, keys in entries.items()}
            kind = KINDS[child["kind"]]
            named = kind.document(child["metadata"]["namespace"], child["metadata"]["name"], **nothing)
            found = await self._writer.merge(_unless_changed(named, found))
            if not is_changed(child, found):
                return found
        return await self._writer.apply(_unless_changed(child, found))

    async def sweep(self, owner: GatewayObject, index: Index) -> None:
        """Delete the shards that the index names no more: once no pod can be about to read them."""
        named = {(entry.number, entry.slot) for entry in index.shards}
        superseded = {shard_name(owner.name, place) for place in PLACES if place not in named}
        stubs, _ = await self._api.list_stubs(CONFIG_MAP, owner.namespace, labels=f"{GATEWAY_LABEL}={owner.name}")
        names = sorted(superseded.intersection(stub.name for stub in stubs))
        found = await self._find(owner, [ObjectKey(CONFIG_MAP.name, name) for name in names])
        for document in found.values():
            if is_owned(owner, document):
                await self._writer.delete(document)

    async def _find(self, owner: GatewayObject, keys: Iterable[ObjectKey]) -> Live:
        wanted = list(keys)
        documents = await together(lambda key: self._api.find(KINDS[key.kind], owner.namespace, key.name), wanted)
        return {key: document for key, document in zip(wanted, documents, strict=True) if document is not None}


def index_key(owner: GatewayObject) -> ObjectKey:
    """The identity of the index."""
    return ObjectKey(CONFIG_MAP.name, index_name(owner.name))


def credentials_key(owner: GatewayObject) -> ObjectKey:
    """The identity of the Secret with all credentials."""
    return ObjectKey(SECRET.name, credentials_name(owner.name))


def _unless_changed(child: Object, live: Document | None) -> Object:
    """The child with the condition that what it replaces is still what was read.

    The version alone would not do: when the object is gone, apply takes no offence at it, and makes a new one.
    """
    if live is None:
        return child
    condition = {name: metadata_of(live)[name] for name in ("uid", "resourceVersion")}
    return {**child, "metadata": {**child["metadata"], **condition}}
