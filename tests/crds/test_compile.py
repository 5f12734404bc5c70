"""The parts of compile, one decision at a time; what they make together is in the golden files."""

from typing import Any

import pytest

from sluice_config.compile import Gateway, Resources, RoutesFrom, compile_resources
from sluice_config.compile.names import covers, winners
from sluice_config.compile.providers import compile_provider, service_url
from sluice_config.findings import Finding, Level
from sluice_config.resources import ResourceKey
from sluice_config.resources.model_route import GatewayRef
from sluice_config.resources.provider_policy import ServiceRef
from sluice_config.snapshot import CredentialRef
from tests.support.resources import cache, provider, route

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("chat", "chat", True),
        ("chat", "chat-2", False),
        ("chat", "Chat", False),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "gpt-4o", True),
        ("gpt-*", "gpt", False),
        ("*", "anything", True),
    ],
)
def test_what_a_pattern_covers(pattern: str, name: str, fits: bool) -> None:
    assert covers(pattern, name) is fits


@pytest.mark.parametrize(
    ("ref", "route_namespace", "meant"),
    [
        ({}, "infra", True),
        ({}, "team", False),
        ({"namespace": "infra"}, "team", True),
        ({"namespace": "team"}, "infra", False),
        ({"name": "edge"}, "infra", False),
        ({"name": "edge", "namespace": "infra"}, "infra", False),
    ],
)
def test_which_gateway_a_route_means(ref: dict[str, str], route_namespace: str, meant: bool) -> None:
    assert Gateway(namespace="infra").is_meant_by(GatewayRef(**ref), route_namespace) is meant


@pytest.mark.parametrize("route_namespace", ["default", "team"])
@pytest.mark.parametrize("namespace", [None, "elsewhere"])
def test_a_local_gateway_is_meant_by_its_name_alone(namespace: str | None, route_namespace: str) -> None:
    gateway = Gateway(local=True)
    assert gateway.is_meant_by(GatewayRef(namespace=namespace), route_namespace)
    assert not gateway.is_meant_by(GatewayRef(name="edge", namespace=namespace), route_namespace)
    assert gateway.takes_routes_of(route_namespace)


@pytest.mark.parametrize(
    ("grant", "taken"),
    [
        (RoutesFrom.SAME, {"infra"}),
        (RoutesFrom.ALL, {"infra", "team", "other"}),
        (frozenset({"team"}), {"infra", "team"}),
        (frozenset[str](), {"infra"}),
    ],
)
def test_whose_routes_a_gateway_takes(grant: RoutesFrom | frozenset[str], taken: set[str]) -> None:
    gateway = Gateway(namespace="infra", routes_from=grant)
    assert {namespace for namespace in ("infra", "team", "other") if gateway.takes_routes_of(namespace)} == taken


def test_the_older_route_wins_a_name() -> None:
    routes = [route("a", ["chat"], creationTimestamp=NEW), route("b", ["chat", "x"], creationTimestamp=OLD)]
    assert {name: key.name for name, key in winners(routes, by_age=True).items()} == {"chat": "b", "x": "b"}
    assert {name: key.name for name, key in winners(routes, by_age=False).items()} == {"chat": "a", "x": "b"}


def test_the_namespace_decides_before_the_name() -> None:
    routes = [route("a", ["chat"], namespace="b"), route("b", ["chat"], namespace="a")]
    assert winners(routes, by_age=True) == {"chat": ResourceKey("ModelRoute", "a", "b")}


@pytest.mark.parametrize(
    ("vendor", "path", "url"),
    [
        ("vllm", None, "http://svc.models.svc:8000/v1"),
        ("openai", None, "http://svc.models.svc:8000/v1"),
        ("anthropic", None, "http://svc.models.svc:8000"),
        ("google", None, "http://svc.models.svc:8000"),
        ("vllm", "/", "http://svc.models.svc:8000"),
        ("vllm", "/api/v2/", "http://svc.models.svc:8000/api/v2"),
    ],
)
def test_the_url_of_a_service(vendor: str, path: str | None, url: str) -> None:
    assert service_url(ServiceRef(name="svc", port=8000, path=path), "models", vendor) == url


def test_a_provider_keeps_what_its_policy_says() -> None:
    policy = provider(
        "a",
        "openai",
        namespace="team",
        baseURL="https://example.com/v1",
        credentials={"secretRef": {"name": "s", "key": "k"}},
        headers=[{"name": "X-B", "value": "2"}, {"name": "X-A", "value": "1"}],
        openai={"organization": "org"},
        timeouts={"totalSeconds": 90},
    )
    compiled = compile_provider(policy)
    assert compiled.base_url == "https://example.com/v1"
    assert compiled.credentials == CredentialRef(namespace="team", name="s", key="k")
    assert compiled.headers == (("X-A", "1"), ("X-B", "2"))
    assert (compiled.openai.organization, compiled.timeouts.total_seconds) == ("org", 90)
    assert compiled.key == policy.key


def test_every_setting_of_a_policy_reaches_the_gateway() -> None:
    """A field that is added to a kind and forgotten in compile would be lost without a word."""
    policy, found = provider("a"), cache("a")
    renamed = {"provider": "vendor", "service_ref": "base_url"}
    wanted = {renamed.get(field, field) for field in type(policy.spec).model_fields}
    assert wanted <= set(type(compile_provider(policy)).model_fields)
    snapshot = compile_resources(
        Gateway(), Resources([route("r", ["m"], [{"provider": "a"}], cachePolicy="a")], [policy], [found])
    ).snapshot
    assert set(type(found.spec).model_fields) <= set(type(snapshot.caches[0]).model_fields)
    elsewhere = {"gateway_ref", "autoscaling"}
    ours = {field for part in snapshot.routes for field in type(part).model_fields}
    assert set(type(route("r", ["m"]).spec).model_fields) - ours == elsewhere


def test_settings_of_a_cache_policy_are_passed_on() -> None:
    settings: dict[str, Any] = {
        "mode": "semantic",
        "ttlSeconds": 7,
        "scope": "route",
        "maxEntries": 8,
        "maxEntryBytes": 2048,
        "purge": 3,
    }
    found = cache("a", **settings, semantic={"threshold": "0.05"}, shadow={"samplePercent": 50})
    resources = Resources([route("r", ["m"], cachePolicy="a")], [], [found])
    (compiled,) = compile_resources(Gateway(), resources).snapshot.caches
    plain = compiled.model_dump(mode="json", exclude_defaults=True)
    assert plain == settings | {
        "namespace": "default",
        "name": "a",
        "generation": 1,
        "semantic": {"threshold": "0.05"},
        "shadow": {"samplePercent": 50},
        "store": {"memory": {}},
    }


def test_a_model_may_be_asked_for_when_nothing_speaks_against_it() -> None:
    open_one = compile_provider(provider("a"))
    assert open_one.accepts("anything")
    assert not open_one.offers
    closed = compile_provider(provider("a", models=[{"name": "llama"}]))
    assert closed.accepts("llama")
    assert not closed.accepts("qwen")
    assert closed.offers
    discovering = compile_provider(provider("a", models=[{"name": "llama"}], discovery={"enabled": True}))
    assert discovering.accepts("qwen")
    assert discovering.offers


def test_findings_are_sorted_by_resource_and_field() -> None:
    routes = [route(name, [name], [{"provider": "x"}, {"provider": "y"}], cachePolicy="z") for name in ("b", "a")]
    findings = compile_resources(Gateway(), Resources(routes)).findings
    assert list(findings) == sorted(findings)
    assert [(found.resource.name, found.field) for found in findings if found.resource and found.level == "error"] == [
        (name, field)
        for name in ("a", "b")
        for field in ("spec.cachePolicy", "spec.targets[0].provider", "spec.targets[1].provider")
    ]


def test_a_finding_as_text() -> None:
    finding = Finding(ResourceKey("ModelRoute", "default", "chat"), "spec.models", Level.ERROR, "Conflicted", "lost")
    assert str(finding) == "error: ModelRoute default/chat: spec.models: lost [Conflicted]"
    assert str(Finding(None, "", Level.WARNING, "Invalid", "no resources")) == "warning: no resources [Invalid]"


def test_nothing_compiles_to_nothing() -> None:
    compiled = compile_resources(Gateway(namespace="infra", name="edge"), Resources())
    assert compiled.findings == ()
    assert compiled.snapshot.gateway == "infra/edge"
    assert (compiled.snapshot.routes, compiled.snapshot.providers, compiled.snapshot.caches) == ((), (), ())
    assert compiled.snapshot.generations == {}


def test_a_duplicate_takes_no_name_from_others() -> None:
    resources = Resources([route("a", ["chat"]), route("a", ["chat"]), route("b", ["chat"])])
    compiled = compile_resources(Gateway(local=True), resources)
    assert [found.name for found in compiled.snapshot.routes] == ["b"]


def test_the_same_name_in_two_kinds_is_no_duplicate() -> None:
    resources = Resources([route("a", ["chat"], [{"provider": "a"}])], [provider("a")], [cache("a")])
    compiled = compile_resources(Gateway(), resources)
    assert {found.level for found in compiled.findings} == {Level.INFO}


def test_guesses_at_what_was_meant_are_few_and_the_same_for_the_same_name() -> None:
    """Looking for close names takes longer than all of compile: whoever writes resources must not decide how often."""
    lost = [{"provider": f"openai-{number}"} for number in range(100, 116)]
    routes = [route(f"r{number}", [f"m{number}"], lost) for number in range(3)]
    wide = [route(f"w{number}", [f"w{number}"], [{"provider": f"openai-x{number}"}]) for number in range(200)]
    findings = compile_resources(Gateway(), Resources([*routes, *wide], [provider("openai-1", "openai")])).findings
    guesses = [found.message for found in findings if found.reason == "ProviderNotFound"]
    guessed = [message for message in guesses if message.endswith("; did you mean openai-1?")]
    assert len(guesses) == 3 * 16 + 200
    assert len(guessed) == 3 * 16 + 100 - 16
