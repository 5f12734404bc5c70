"""A gateway's part of the resources: enough for the same result, and little enough for many gateways."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sluice_config.compile import ByGateway, Gateway, Resources, RoutesFrom, compile_resources
from sluice_config.conditions import conditions_of
from sluice_config.findings import Finding, Level
from sluice_config.resources import ResourceKey
from tests.support.random_resources import GATEWAYS, RESOURCES
from tests.support.resources import provider, route

TARGET = {"provider": "mock"}
IN_CLUSTER = GATEWAYS.map(lambda gateway: replace(gateway, local=False))
REFUSED = st.lists(
    st.builds(
        lambda kind, namespace: Finding(
            ResourceKey(kind, namespace, "refused"), "spec", Level.ERROR, "Invalid", "not readable"
        ),
        st.sampled_from(["ModelRoute", "ProviderPolicy", "CachePolicy"]),
        st.sampled_from(["default", "team"]),
    ),
    max_size=2,
    unique_by=lambda finding: finding.resource,
)


def keys(resources: Resources) -> list[ResourceKey]:
    found = [one.key for one in (*resources.routes, *resources.providers, *resources.caches)]
    return sorted([*found, *(finding.resource for finding in resources.refused if finding.resource)])


@given(IN_CLUSTER, RESOURCES, REFUSED)
def test_a_part_compiles_to_what_everything_does(gateway: Gateway, given: Resources, refused: list[Finding]) -> None:
    everything = replace(given, refused=refused)
    part = ByGateway(everything).of(gateway)
    whole, compiled = compile_resources(gateway, everything), compile_resources(gateway, part)
    assert compiled.snapshot == whole.snapshot
    inside = set(keys(part))
    assert compiled.findings == tuple(finding for finding in whole.findings if finding.resource in inside)


@given(IN_CLUSTER, RESOURCES, REFUSED)
def test_with_the_rest_every_resource_has_its_conditions(
    gateway: Gateway, given: Resources, refused: list[Finding]
) -> None:
    everything = replace(given, refused=refused)
    by_gateway = ByGateway(everything)
    part, rest = by_gateway.of(gateway), by_gateway.of_none([gateway])
    assert sorted([*keys(part), *keys(rest)]) == keys(everything)
    of_part = conditions_of(compile_resources(gateway, part), part)
    of_rest = conditions_of(compile_resources(Gateway("", ""), rest), rest)
    assert {**of_part, **of_rest} == conditions_of(compile_resources(gateway, everything), everything)


def test_parts_of_many_gateways_are_together_as_large_as_everything() -> None:
    teams = [f"team-{number}" for number in range(50)]
    everything = Resources(
        [route(f"chat-{n}", [f"m{n}"], [TARGET], namespace=team) for team in teams for n in range(4)],
        [provider("mock", namespace=team) for team in teams],
    )
    by_gateway = ByGateway(everything)

    def sizes(gateways: Iterable[Gateway]) -> set[int]:
        return {len(keys(by_gateway.of(gateway))) for gateway in gateways}

    assert sizes(Gateway(team) for team in teams) == {5}
    assert sizes(Gateway(team, routes_from=RoutesFrom.ALL) for team in teams) == {5}
    assert sizes([Gateway("elsewhere")]) == {0}


def test_a_namespace_that_is_not_granted_brings_its_routes_alone() -> None:
    ref = {"name": "sluice-gateway", "namespace": "default"}
    everything = Resources(
        [route("a", ["a"], [TARGET], namespace="team", gatewayRef=ref)], [provider("m", "mock", "team")]
    )
    assert [key.kind for key in keys(ByGateway(everything).of(Gateway()))] == ["ModelRoute"]
    assert [key.kind for key in keys(ByGateway(everything).of_none([Gateway()]))] == ["ProviderPolicy"]
