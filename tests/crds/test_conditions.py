"""Which conditions users read: one golden file for each rule of compile, and the rest of what can be wrong."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from sluice_config.compile import Compiled, Gateway, Resources, compile_resources
from sluice_config.conditions import LONGEST_MESSAGE, Conditions, condition, conditions_of
from sluice_config.findings import Finding, Level
from sluice_config.resources import ResourceKey
from tests.support.golden import Golden
from tests.support.random_resources import GATEWAYS, RESOURCES
from tests.support.resources import cache, inputs, provider, read, route

FOLDER = Path(__file__).parents[1] / "golden"
RULES = sorted(file.name.removesuffix(".in.yaml") for file in (FOLDER / "compile").glob("*.in.yaml"))
KEYED: dict[str, Any] = {"credentials": {"secretRef": {"name": "openai", "key": "api-key"}}}
CHAT = ResourceKey("ModelRoute", "default", "chat")
OPENAI = ResourceKey("ProviderPolicy", "default", "openai")


def readable(compiled: Compiled, resources: Resources) -> str:
    content = {
        str(key): {found.type: f"{found.status} {found.reason}: {found.message}" for found in conditions}
        for key, conditions in sorted(conditions_of(compiled, resources).items())
    }
    return yaml.safe_dump(content, sort_keys=False, width=200, allow_unicode=True)


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, golden: Golden) -> None:
    gateway, resources = inputs(read(FOLDER / "compile" / f"{rule}.in.yaml"))
    golden.check(f"conditions/{rule}.yaml", readable(compile_resources(gateway, resources), resources))


def test_every_file_has_its_rule() -> None:
    assert sorted(file.stem for file in (FOLDER / "conditions").glob("*.yaml")) == RULES


def conditions(resources: Resources, key: ResourceKey) -> Conditions:
    return conditions_of(compile_resources(Gateway(), resources), resources)[key]


def said(resources: Resources, key: ResourceKey, of_type: str) -> tuple[str, str, str]:
    found = condition(conditions(resources, key), of_type)
    assert found is not None
    return found.status, found.reason, found.message


def test_a_closed_namespace_says_how_to_open_it() -> None:
    given = Resources(
        [route("chat", ["chat"], [{"provider": "openai"}])],
        [provider("openai", "openai", **KEYED)],
        secrets={("default", "openai"): frozenset({"api-key"})},
        denied={"default": "kubectl create rolebinding ..."},
    )
    message = "Secrets of namespace default may not be read: kubectl create rolebinding ..."
    wanted = ("False", "SecretAccessDenied", f"spec.credentials.secretRef.name: {message}")
    assert said(given, OPENAI, "ResolvedRefs") == said(given, OPENAI, "Ready") == wanted
    assert said(given, CHAT, "ResolvedRefs")[1] == "SecretAccessDenied"
    assert said(given, OPENAI, "Accepted")[0] == "True"


def test_a_cache_in_a_closed_namespace_cannot_reach_its_store() -> None:
    external = {"address": "redis:6379", "secretRef": {"name": "redis"}}
    given = Resources(caches=[cache("answers", store={"external": external})], denied={"default": "bind the role"})
    key = ResourceKey("CachePolicy", "default", "answers")
    assert said(given, key, "ResolvedRefs")[:2] == ("False", "SecretAccessDenied")


def test_what_is_refused_is_told_to_its_owner_and_to_those_who_refer_to_it() -> None:
    """Also when it could not be read at all: then it is not among the resources."""
    refusal = Finding(OPENAI, "spec.headerz", Level.ERROR, "Invalid", "unknown field")
    routes = [route("chat", ["chat"], [{"provider": "openai"}, {"provider": "mock"}])]
    for providers in ([provider("mock")], [provider("mock"), provider("openai", "openai")]):
        given = Resources(routes, providers, refused=[refusal])
        compiled = compile_resources(Gateway(), given)
        assert [target.provider for target in compiled.snapshot.routes[0].targets] == ["mock"]
        assert said(given, OPENAI, "Accepted") == ("False", "Invalid", "spec.headerz: unknown field")
        assert said(given, OPENAI, "Ready")[:2] == ("False", "Invalid")
        assert said(given, CHAT, "ResolvedRefs") == (
            "False",
            "ProviderNotFound",
            "spec.targets[0].provider: the target stays out: ProviderPolicy openai: it is not accepted: Invalid",
        )
        assert said(given, CHAT, "Ready")[0] == "True"


def test_a_refused_route_claims_no_names() -> None:
    older = route("older", ["chat"], creationTimestamp="2026-01-01T00:00:00Z")
    refusal = Finding(older.key, "", Level.ERROR, "TooLarge", "too large")
    given = Resources([older, route("chat", ["chat"])], [provider("mock", models=[{"name": "chat"}])])
    assert said(given, CHAT, "Accepted")[1] == "Conflicted"
    assert said(replace(given, refused=[refusal]), CHAT, "Accepted")[1] == "Accepted"
    assert said(replace(given, refused=[refusal]), older.key, "Accepted") == ("False", "TooLarge", "too large")


@pytest.mark.parametrize("existing", ["team", "elsewhere"])
def test_whether_a_gateway_of_another_namespace_exists_is_not_told(existing: str) -> None:
    given = Resources([route("chat", ["chat"], gatewayRef={"namespace": "team"})])
    compiled = compile_resources(Gateway(namespace=existing), given)
    found = condition(conditions_of(compiled, given)[CHAT], "Accepted")
    assert found is not None
    assert (found.reason, "gateway team/sluice-gateway is not there or takes no routes" in found.message) == (
        "NotGranted",
        True,
    )


def test_messages_are_bounded() -> None:
    targets = [{"provider": f"{'a' * 200}{number}"} for number in range(64)]
    message = said(Resources([route("chat", ["chat"], targets)]), CHAT, "ResolvedRefs")[2]
    assert len(message) == LONGEST_MESSAGE
    assert message.endswith("…")


def test_errors_give_the_reason_before_warnings() -> None:
    given = Resources(
        [route("chat", ["chat"], [{"provider": "openai"}, {"provider": "missing"}])],
        [provider("openai", "openai", **KEYED)],
    )
    assert said(given, CHAT, "ResolvedRefs")[1] == "ProviderNotFound"


@given(GATEWAYS, RESOURCES)
def test_every_resource_has_its_conditions(gateway: Gateway, given: Resources) -> None:
    compiled = compile_resources(gateway, given)
    found = conditions_of(compiled, given)
    assert set(found) == {one.key for one in (*given.routes, *given.providers, *given.caches)}
    served = {one.key for one in compiled.snapshot.routes if one.targets}
    for key, conditions in found.items():
        types = [one.type for one in conditions]
        assert types == [one for one in ("Accepted", "ResolvedRefs", "Conflicted", "Ready") if one in types]
        assert all(one.message and one.reason for one in conditions)
        accepted, ready = condition(conditions, "Accepted"), condition(conditions, "Ready")
        assert accepted
        assert ready
        assert accepted.status == "False" or "ResolvedRefs" in types
        assert accepted.status == "True" or (ready.status, ready.reason) == ("False", accepted.reason)
        assert key not in served or ready.status == "True"
