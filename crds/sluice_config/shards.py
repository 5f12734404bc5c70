"""A Snapshot in pieces that fit into ConfigMaps, and the index that says which pieces belong together.

Resources are spread over four shards by a hash of their key, so that a change of one resource rewrites one shard. Each
shard has two slots. A change goes into the slot that the live index does not point to, then the index is replaced:
whoever reads the index finds whole shards at any moment. Empty shards are not written.
"""

import bisect
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from sluice_config.codec import canonical, digest, digest_of, plain
from sluice_config.resources.base import Frozen, ResourceKey
from sluice_config.snapshot import SCHEMA_VERSION, Cache, Provider, Route, Snapshot

SHARDS = 4
MOST_BYTES = 700 * 1024
"""Of one shard, compressed. A ConfigMap may have 1 MiB, of which base64 takes a quarter."""
MOST_PLAIN_BYTES = 64 * 1024 * 1024
"""Of one shard, unpacked: more is no shard of ours."""

Slot = Literal["a", "b"]
Place = tuple[int, Slot]

_PARTS = {"routes": "ModelRoute", "providers": "ProviderPolicy", "caches": "CachePolicy"}

Plain = dict[str, Any]


class BrokenShards(ValueError):
    """Index and shards do not make a snapshot: one is missing, cut off, changed, or of another version."""


class TooLarge(ValueError):
    """Shards would be too large. Without `resources`, the largest in them, they would not."""

    def __init__(self, resources: tuple[ResourceKey, ...]) -> None:
        super().__init__(f"the configuration is too large with {', '.join(map(str, resources))}")
        self.resources = resources


class Entry(Frozen):
    """Where one shard is, and the SHA-256 of its canonical JSON as 64 hex digits."""

    number: int = Field(ge=0, lt=SHARDS)
    slot: Slot
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Index(Frozen):
    """Which shards make the snapshot with this digest.

    `credentials_revision` is that of the values that its references stand for: it changes when one of them does, says
    nothing about them, and is "0" when there are none.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    gateway: str
    digest: str
    credentials_revision: str = "0"
    shards: Annotated[tuple[Entry, ...], Field(strict=False, max_length=SHARDS)]

    def dump(self) -> bytes:
        """Canonical JSON."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    @staticmethod
    def load(data: bytes) -> "Index":
        """Read what dump wrote.

        Raises:
            BrokenShards: it is of another schema version, or no index.
        """
        try:
            return Index.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            where = {str(detail["loc"][0]) for detail in error.errors(include_input=False) if detail["loc"]}
            what = f"not of schema version {SCHEMA_VERSION}" if "schemaVersion" in where else "malformed"
            raise BrokenShards(f"the index is {what}") from None


class _Content(Frozen):
    """What one shard holds."""

    routes: Annotated[tuple[Route, ...], Field(strict=False)]
    providers: Annotated[tuple[Provider, ...], Field(strict=False)]
    caches: Annotated[tuple[Cache, ...], Field(strict=False)]


@dataclass(frozen=True, slots=True)
class Split:
    """A snapshot in pieces: the new index, and every shard's gzip by its place."""

    index: Index
    shards: Mapping[Place, bytes]


def split(snapshot: Snapshot, live: Index | None = None) -> Split:
    """Cut a snapshot into shards. One that `live` already has keeps its slot, a changed one takes the other slot.

    Raises:
        TooLarge: a shard would exceed MOST_BYTES.
    """
    whole = plain(snapshot)
    current = {entry.number: entry for entry in live.shards} if live else {}
    entries, shards, oversized = [], {}, []
    for number, content in _contents(whole).items():
        data = canonical(content)
        packed = _pack(data)
        if len(packed) > MOST_BYTES:
            oversized += _largest(content)
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        slot = _slot(current.get(number), sha256)
        entries.append(Entry(number=number, slot=slot, sha256=sha256))
        shards[number, slot] = packed
    if oversized:
        raise TooLarge(tuple(sorted(oversized)))
    index = Index(gateway=snapshot.gateway, digest=digest_of(canonical(whole)), shards=tuple(entries))
    return Split(index, shards)


def join(index: Index, shards: Mapping[Place, bytes]) -> Snapshot:
    """Put a snapshot together again; everything is verified. Shards that the index does not name are not looked at.

    Raises:
        BrokenShards: a shard is missing or is not what the index says, or the whole is not.
    """
    contents = [_verified(entry, shards.get((entry.number, entry.slot))) for entry in index.shards]
    snapshot = Snapshot(
        gateway=index.gateway,
        routes=tuple(sorted((route for content in contents for route in content.routes), key=_place)),
        providers=tuple(sorted((provider for content in contents for provider in content.providers), key=_place)),
        caches=tuple(sorted((cache for content in contents for cache in content.caches), key=_place)),
    )
    if digest(snapshot) != index.digest:
        raise BrokenShards("the shards together are not the snapshot that the index names")
    return snapshot


def shard_of(key: ResourceKey) -> int:
    """The number of a resource's shard: the same in every process, for ever."""
    return int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:8]) % SHARDS


def _contents(whole: Plain) -> dict[int, Plain]:
    contents: dict[int, Plain] = {}
    for part, kind in _PARTS.items():
        for item in whole[part]:
            number = shard_of(_key(kind, item))
            contents.setdefault(number, {part: [] for part in _PARTS})[part].append(item)
    return dict(sorted(contents.items()))


def _key(kind: str, item: Plain) -> ResourceKey:
    return ResourceKey(kind, item["namespace"], item["name"])


def _place(part: Route | Provider | Cache) -> ResourceKey:
    return part.key


def _slot(current: Entry | None, sha256: str) -> Slot:
    if current is None:
        return "a"
    if current.sha256 == sha256:
        return current.slot
    return "b" if current.slot == "a" else "a"


def _largest(content: Plain) -> list[ResourceKey]:
    """The fewest of a shard's largest resources without which it fits."""
    sizes = {_key(kind, item): len(_pack(canonical(item))) for part, kind in _PARTS.items() for item in content[part]}
    largest_first = sorted(sizes, key=lambda key: (-sizes[key], key))

    def fits_without(count: int) -> bool:
        gone = set(largest_first[:count])
        rest = {part: [item for item in content[part] if _key(kind, item) not in gone] for part, kind in _PARTS.items()}
        return len(_pack(canonical(rest))) <= MOST_BYTES

    fewest = bisect.bisect_left(range(len(largest_first)), True, key=fits_without)
    return largest_first[:fewest]


def _pack(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _verified(entry: Entry, packed: bytes | None) -> _Content:
    name = f"shard {entry.number} in slot {entry.slot}"
    if packed is None:
        raise BrokenShards(f"{name} is missing")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # the gzip format
    try:
        data = unpacking.decompress(packed, MOST_PLAIN_BYTES)
    except zlib.error:
        raise BrokenShards(f"{name} is not a gzip") from None
    if not unpacking.eof:
        raise BrokenShards(f"{name} is cut off or too large")
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BrokenShards(f"{name} is not the one that the index names")
    try:
        return _Content.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError:
        raise BrokenShards(f"{name} holds no resources of schema version {SCHEMA_VERSION}") from None
