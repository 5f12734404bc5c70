"""Hypothesis strategies for sets of resources: few names, so that they meet, conflict and miss each other often."""

from typing import Any

from hypothesis import strategies as st

from sluice_config.compile import Gateway, Resources, RoutesFrom
from sluice_config.resources import parse_resource
from tests.support.resources import Document, document

NAMESPACES = st.sampled_from(["default", "team"])
NAMES = st.sampled_from(["a", "b", "c"])
MODELS = st.sampled_from(["small", "large", "embed"])
PATTERNS = st.sampled_from(["small", "large", "sm*", "la*", "*"])
STAMPS = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional=fields)


TARGETS = st.builds(
    lambda provider, rest: {"provider": provider, **rest},
    NAMES,
    _optional(model=MODELS, weight=st.integers(0, 3), priority=st.integers(0, 2)),
)

LIMITS = st.sampled_from(
    [
        {"name": "calls", "per": "route", "requests": 10, "window": "minute", "timeZone": "Asia/Tokyo"},
        {"name": "at-once", "per": "consumer", "concurrent": 2},
    ]
)

ROUTE_SPECS = st.builds(
    lambda models, rest: {"models": models, **rest},
    st.lists(PATTERNS, min_size=1, max_size=3, unique=True),
    _optional(
        targets=st.lists(TARGETS, max_size=4),
        gatewayRef=_optional(name=st.sampled_from(["sluice-gateway", "edge"]), namespace=NAMESPACES),
        strategy=st.sampled_from(["priority", "weighted", "smart"]),
        fallback=_optional(enabled=st.booleans(), maxTargets=st.integers(1, 64)),
        timeouts=_optional(totalSeconds=st.integers(3600, 86_400)),
        limits=st.lists(LIMITS, max_size=2, unique_by=lambda limit: str(limit["name"])),
        cachePolicy=NAMES,
    ),
)

PROVIDER_SPECS = st.builds(
    lambda vendor, rest: {"provider": vendor, **rest},
    st.sampled_from(["mock", "openai", "anthropic"]),
    _optional(
        enabled=st.booleans(),
        baseURL=st.just("https://example.com/v1"),
        credentials=st.builds(lambda name: {"secretRef": {"name": name, "key": "key"}}, NAMES),
        headers=st.lists(st.sampled_from(["X-A", "x-b"]), unique=True).map(
            lambda names: [{"name": name, "value": "v"} for name in names]
        ),
        models=st.lists(MODELS, max_size=2, unique=True).map(
            lambda names: [{"name": name, "description": "größer\n🙂"} for name in names]
        ),
        discovery=_optional(enabled=st.booleans()),
    ),
)

CACHE_SPECS: st.SearchStrategy[Document] = st.sampled_from(
    [
        {"store": {"memory": {}}},
        {"store": {"managed": {}}, "mode": "semantic", "semantic": {"embedder": {"type": "local"}}},
        {"store": {"external": {"address": "redis:6379", "secretRef": {"name": "a", "passwordKey": "key"}}}},
    ]
)


def _documents(kind: str, specs: st.SearchStrategy[Document]) -> st.SearchStrategy[list[Document]]:
    metadata = _optional(creationTimestamp=STAMPS, generation=st.integers(1, 9))
    one = st.builds(
        lambda name, namespace, spec, rest: document(kind, name, spec, namespace=namespace, **rest),
        NAMES,
        NAMESPACES,
        specs,
        metadata,
    )
    return st.lists(
        one, max_size=4, unique_by=lambda found: (found["metadata"]["namespace"], found["metadata"]["name"])
    )


def _parsed(kind: str, specs: st.SearchStrategy[Document]) -> st.SearchStrategy[list[Any]]:
    return _documents(kind, specs).map(lambda found: [parse_resource(one) for one in found])


KEYS = st.dictionaries(
    st.tuples(NAMESPACES, NAMES), st.sampled_from([frozenset({"key"}), frozenset[str]()]), max_size=4
)

RESOURCES = st.builds(
    Resources,
    _parsed("ModelRoute", ROUTE_SPECS),
    _parsed("ProviderPolicy", PROVIDER_SPECS),
    _parsed("CachePolicy", CACHE_SPECS),
    st.dictionaries(st.tuples(NAMESPACES, NAMES), KEYS, max_size=4),
)

GATEWAYS = st.builds(
    Gateway,
    routes_from=st.sampled_from([RoutesFrom.SAME, RoutesFrom.ALL, frozenset({"team"})]),
    local=st.booleans(),
)
