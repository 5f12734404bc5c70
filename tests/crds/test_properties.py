"""What holds for every set of resources, whatever it is."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from sluice_config import shards
from sluice_config.codec import digest, dump, load
from sluice_config.compile import Gateway, Resources, compile_resources
from sluice_config.findings import Level
from sluice_config.resources import InvalidResource, Problem, parse_resource
from sluice_config.snapshot import Snapshot
from tests.support.random_resources import GATEWAYS, RESOURCES
from tests.support.resources import Document, document, route

T = TypeVar("T")

# Anything that a YAML reader can give.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(items: Sequence[T], order: random.Random) -> list[T]:
    return order.sample(items, len(items))


@given(GATEWAYS, RESOURCES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_never_matters(gateway: Gateway, given: Resources, order: random.Random) -> None:
    other = Resources(
        shuffled(given.routes, order),
        shuffled(given.providers, order),
        shuffled(given.caches, order),
        dict(shuffled(list(given.secrets.items()), order)),
    )
    assert compile_resources(gateway, other) == compile_resources(gateway, given)


@given(GATEWAYS, RESOURCES)
def test_dump_and_load_are_inverse(gateway: Gateway, given: Resources) -> None:
    snapshot = compile_resources(gateway, given).snapshot
    assert load(dump(snapshot)) == snapshot
    assert dump(load(dump(snapshot))) == dump(snapshot)


@given(GATEWAYS, RESOURCES)
def test_split_and_join_are_inverse(gateway: Gateway, given: Resources) -> None:
    snapshot = compile_resources(gateway, given).snapshot
    split = shards.split(snapshot)
    assert shards.join(shards.Index.load(split.index.dump()), split.shards) == snapshot
    assert split.index.digest == digest(snapshot)


@given(GATEWAYS, RESOURCES)
def test_a_snapshot_is_sorted_and_refers_to_nothing_outside(gateway: Gateway, given: Resources) -> None:
    snapshot = compile_resources(gateway, given).snapshot
    for parts in (snapshot.routes, snapshot.providers, snapshot.caches):
        keys = [part.key for part in parts]
        assert keys == sorted(set(keys))
    providers = {(provider.namespace, provider.name): provider for provider in snapshot.providers}
    caches = {(cache.namespace, cache.name) for cache in snapshot.caches}
    for found in snapshot.routes:
        for target in found.targets:
            provider = providers[found.namespace, target.provider]
            assert target.model is None or provider.accepts(target.model)
        assert found.cache_policy is None or (found.namespace, found.cache_policy) in caches
        assert list(found.targets) == sorted(found.targets, key=lambda target: target.priority)


@given(GATEWAYS, RESOURCES)
def test_each_name_belongs_to_one_route_and_none_is_lost(gateway: Gateway, given: Resources) -> None:
    snapshot = compile_resources(gateway, given).snapshot
    served = Counter(pattern for found in snapshot.routes for pattern in found.models)
    assert set(served.values()) <= {1}
    claimed = {
        pattern
        for found in given.routes
        if gateway.is_meant_by(found.spec.gateway_ref, found.metadata.namespace)
        and gateway.takes_routes_of(found.metadata.namespace)
        for pattern in found.spec.models
    }
    assert set(served) == claimed


@given(GATEWAYS, RESOURCES)
def test_no_secret_is_referred_to_that_is_not_there(gateway: Gateway, given: Resources) -> None:
    for provider in compile_resources(gateway, given).snapshot.providers:
        ref = provider.credentials
        assert ref is None or ref.key in given.secrets[ref.namespace, ref.name]


@given(GATEWAYS, RESOURCES)
def test_whatever_stays_out_has_a_finding(gateway: Gateway, given: Resources) -> None:
    compiled = compile_resources(gateway, given)
    told = {finding.resource for finding in compiled.findings}
    there = {found.key: found for found in compiled.snapshot.routes}
    for source in given.routes:
        complete = source.key in there and len(there[source.key].targets) == len(source.spec.targets)
        assert complete or source.key in told
    assert all(finding.message and finding.reason for finding in compiled.findings)


@given(GATEWAYS, RESOURCES)
def test_a_broken_newcomer_takes_nothing_along(gateway: Gateway, given: Resources) -> None:
    """A route with a name of its own and a missing provider changes no other part of the snapshot."""
    newcomer = route("newcomer", ["its-own-name"], [{"provider": "missing"}])
    before = compile_resources(gateway, given).snapshot
    compiled = compile_resources(
        gateway, Resources([*given.routes, newcomer], given.providers, given.caches, given.secrets)
    )
    rest = tuple(found for found in compiled.snapshot.routes if found.name != "newcomer")
    assert compiled.snapshot.model_copy(update={"routes": rest}) == before
    levels = {finding.level for finding in compiled.findings if finding.resource == newcomer.key}
    assert levels == {Level.ERROR}


@given(RESOURCES)
def test_generations_name_every_part(given: Resources) -> None:
    snapshot: Snapshot = compile_resources(Gateway(local=True), given).snapshot
    assert len(snapshot.generations) == len(snapshot.routes) + len(snapshot.providers) + len(snapshot.caches)


def mistakes(found: Document) -> tuple[Problem, ...]:
    """What is wrong with a document; nothing when it is a resource. Anything else that is raised is a failure."""
    try:
        parse_resource(found)
    except InvalidResource as error:
        return error.problems
    return ()


@given(st.sampled_from(["ModelRoute", "ProviderPolicy", "CachePolicy"]), VALUES)
def test_any_spec_is_a_resource_or_is_refused_in_words(kind: str, spec: object) -> None:
    assert all(problem.message for problem in mistakes({**document(kind, "a", {}), "spec": spec}))


@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(["apiVersion", "kind", "metadata", "spec"]), VALUES))
def test_any_document_is_refused_in_words(found: Document) -> None:
    assert mistakes(found)


FIELDS = st.sampled_from(["provider", "baseURL", "headers", "credentials", "models", "timeouts", "mock", "enabled"])


@given(st.dictionaries(FIELDS, VALUES))
def test_any_value_in_a_known_field_is_taken_or_refused_in_words(spec: Document) -> None:
    found = mistakes(document("ProviderPolicy", "a", spec))
    assert all(problem.field.startswith("spec") or problem.message.endswith("more mistakes") for problem in found)
