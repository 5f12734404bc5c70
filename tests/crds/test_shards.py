"""Shards and index: whole at any moment, verified to the last byte, and large enough."""

import gzip
import hashlib
import random

import pytest

from sluice_config.codec import canonical, digest
from sluice_config.compile import Gateway, Resources, compile_resources
from sluice_config.resources import ResourceKey
from sluice_config.shards import MOST_BYTES, SHARDS, BrokenShards, Index, Place, Split, TooLarge, join, shard_of, split
from sluice_config.snapshot import Route, Snapshot, Target
from tests.support.resources import provider, route


def snapshot_of(*routes: Route) -> Snapshot:
    return Snapshot(gateway="default/sluice-gateway", routes=tuple(sorted(routes, key=lambda found: found.key)))


def a_route(name: str, generation: int = 1) -> Route:
    return Route(namespace="default", name=name, generation=generation, models=(name,))


TEN = snapshot_of(*(a_route(f"route-{number}") for number in range(10)))


def changed(snapshot: Snapshot, name: str) -> Snapshot:
    """The snapshot with one route's next generation."""
    routes = [
        found.model_copy(update={"generation": found.generation + 1}) if found.name == name else found
        for found in snapshot.routes
    ]
    return snapshot_of(*routes)


def test_what_was_split_joins_again() -> None:
    parts = split(TEN)
    assert join(parts.index, parts.shards) == TEN
    assert parts.index.digest == digest(TEN)
    assert set(parts.shards) == {(entry.number, entry.slot) for entry in parts.index.shards}


def test_shards_are_gzip_without_a_time() -> None:
    parts = split(TEN)
    assert parts.shards == split(TEN).shards
    for entry in parts.index.shards:
        packed = parts.shards[entry.number, entry.slot]
        assert packed[4:8] == bytes(4)  # RFC 1952: MTIME
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == entry.sha256


def test_empty_shards_are_not_written() -> None:
    parts = split(snapshot_of(a_route("one")))
    assert list(parts.shards) == [(shard_of(ResourceKey("ModelRoute", "default", "one")), "a")]
    nothing = split(snapshot_of())
    assert nothing.shards == {}
    assert join(nothing.index, {}) == snapshot_of()


def test_a_resource_stays_in_its_shard_for_ever() -> None:
    keys = [ResourceKey("ModelRoute", "default", f"route-{number}") for number in range(8)]
    assert [shard_of(key) for key in keys] == [0, 1, 1, 3, 2, 3, 2, 0]


def test_a_change_rewrites_one_shard_in_its_other_slot() -> None:
    before = split(TEN)
    after = split(changed(TEN, "route-3"), before.index)
    number = shard_of(ResourceKey("ModelRoute", "default", "route-3"))
    assert set(after.shards) - set(before.shards) == {(number, "b")}
    assert set(before.shards) - set(after.shards) == {(number, "a")}
    assert all(after.shards[place] == packed for place, packed in before.shards.items() if place in after.shards)


def test_a_reader_sees_one_whole_or_the_other() -> None:
    """Shards are written before the index: between any two writes, the index that is there finds its shards."""
    old, new = TEN, changed(TEN, "route-3")
    before = split(old)
    after = split(new, before.index)
    stored = dict(before.shards)
    for place, packed in after.shards.items():
        stored[place] = packed
        assert join(before.index, stored) == old
    assert join(after.index, stored) == new


def test_slots_alternate_and_an_unchanged_snapshot_keeps_them() -> None:
    first = split(TEN)
    second = split(changed(TEN, "route-3"), first.index)
    assert split(changed(TEN, "route-3"), second.index) == second
    assert split(TEN, second.index) == first


def test_a_write_that_was_cut_short_does_no_harm() -> None:
    """The index still points to the old slots, so the next writer takes the same free ones again."""
    before = split(TEN)
    cut_short = split(changed(TEN, "route-3"), before.index)
    stored = {**before.shards, **cut_short.shards}
    newest = changed(changed(TEN, "route-3"), "route-4")
    after = split(newest, before.index)
    stored.update(after.shards)
    assert join(before.index, stored) == TEN
    assert join(after.index, stored) == newest


def broken(parts: Split, shards: dict[Place, bytes | None]) -> str:
    stored: dict[Place, bytes | None] = {**parts.shards, **shards}
    with pytest.raises(BrokenShards) as caught:
        join(parts.index, {place: packed for place, packed in stored.items() if packed is not None})
    return str(caught.value)


def test_what_is_missing_or_damaged_is_refused() -> None:
    parts = split(snapshot_of(a_route("one")))
    ((place, packed),) = parts.shards.items()
    name = f"shard {place[0]} in slot a"
    other = gzip.compress(canonical({"routes": [], "providers": [], "caches": []}), mtime=0)
    assert broken(parts, {place: None}) == f"{name} is missing"
    assert broken(parts, {place: b""}) == f"{name} is cut off or too large"
    assert broken(parts, {place: packed[:-9]}) == f"{name} is cut off or too large"
    assert broken(parts, {place: b"no gzip at all"}) == f"{name} is not a gzip"
    assert broken(parts, {place: other}) == f"{name} is not the one that the index names"


def test_every_flipped_bit_is_found() -> None:
    parts = split(snapshot_of(a_route("one")))
    ((place, packed),) = parts.shards.items()
    source = random.Random(1)
    for _ in range(200):
        damaged = bytearray(packed)
        damaged[source.randrange(10, len(packed))] ^= 1 << source.randrange(8)
        assert broken(parts, {place: bytes(damaged)})


def test_a_bomb_is_not_unpacked() -> None:
    parts = split(snapshot_of(a_route("one")))
    ((place, _),) = parts.shards.items()
    assert "too large" in broken(parts, {place: gzip.compress(bytes(65 * 1024 * 1024), mtime=0)})


def forged(content: bytes, digest_text: str = "sha256:" + "0" * 64) -> tuple[Index, dict[Place, bytes]]:
    """An index whose hash of its one shard is right, whatever the shard says."""
    entry = {"number": 0, "slot": "a", "sha256": hashlib.sha256(content).hexdigest()}
    index = {"schemaVersion": 1, "gateway": "a/b", "digest": digest_text, "shards": [entry]}
    return Index.load(canonical(index)), {(0, "a"): gzip.compress(content, mtime=0)}


@pytest.mark.parametrize("content", [b"[]", b"{}", b"nonsense", b'{"routes":[{}],"providers":[],"caches":[]}'])
def test_a_shard_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(BrokenShards, match="shard 0 in slot a holds no resources of schema version 1"):
        join(*forged(content))


def test_shards_that_are_not_the_named_snapshot_are_refused() -> None:
    with pytest.raises(BrokenShards, match="not the snapshot that the index names"):
        join(*forged(canonical({"routes": [], "providers": [], "caches": []})))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the index is malformed"),
        (b"{}", "the index is malformed"),
        (b'{"schemaVersion":2,"gateway":"a/b","digest":"","shards":[]}', "the index is not of schema version 1"),
        (b'{"gateway":"a/b","digest":"","shards":[{"number":4,"slot":"a","sha256":""}]}', "the index is malformed"),
        (b'{"gateway":"a/b","digest":"","shards":[{"number":0,"slot":"c","sha256":""}]}', "the index is malformed"),
    ],
)
def test_an_index_that_is_none_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BrokenShards, match=message):
        Index.load(data)


def incompressible(name: str, size: int) -> Route:
    """A route of about `size` bytes that gzip cannot shrink by much."""
    source = random.Random(name)
    targets = tuple(Target(provider=source.randbytes(120).hex()) for _ in range(size // 150))
    return Route(namespace="default", name=name, generation=1, models=(name,), targets=targets)


def test_the_largest_resources_are_named_when_a_shard_is_too_large() -> None:
    huge = incompressible("huge", 1_000_000)
    with pytest.raises(TooLarge) as caught:
        split(snapshot_of(huge, a_route("small"), a_route("other")))
    assert caught.value.resources == (huge.key,)
    assert "ModelRoute/default/huge" in str(caught.value)


def test_without_them_it_fits() -> None:
    routes = [incompressible(f"route-{number}", 120_000) for number in range(40)]
    with pytest.raises(TooLarge) as caught:
        split(snapshot_of(*routes))
    refused = caught.value.resources
    assert 0 < len(refused) < len(routes)
    parts = split(snapshot_of(*(found for found in routes if found.key not in refused)))
    assert all(len(packed) <= MOST_BYTES for packed in parts.shards.values())


@pytest.mark.slow
def test_ten_thousand_realistic_routes_fit() -> None:
    source = random.Random(7)
    models = [f"model-{source.randbytes(4).hex()}" for _ in range(300)]
    teams = [f"team-{source.randbytes(3).hex()}" for _ in range(200)]
    routes = [
        route(
            f"{source.choice(['chat', 'search', 'agent', 'batch'])}-{number}-{source.randbytes(5).hex()}",
            [f"{team}/{number}-{source.choice(models)}", f"{team}/{source.randbytes(6).hex()}-*"],
            [{"provider": "vendor", "model": source.choice(models), "priority": place} for place in range(3)],
            namespace=team,
            generation=source.randrange(1, 200),
            timeouts={"totalSeconds": source.randrange(30, 600)},
            limits=[{"name": "calls", "per": "consumer", "requests": source.randrange(1, 9999), "window": "minute"}],
        )
        for number in range(10_000)
        for team in [source.choice(teams)]
    ]
    providers = [provider("vendor", namespace=team) for team in teams]
    snapshot = compile_resources(Gateway(local=True), Resources(routes, providers)).snapshot
    assert len(snapshot.routes) == 10_000
    parts = split(snapshot)
    assert len(parts.shards) == SHARDS
    assert max(len(packed) for packed in parts.shards.values()) <= MOST_BYTES
    assert join(parts.index, parts.shards) == snapshot
