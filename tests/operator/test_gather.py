"""Reading the world at a real API server: what counts, and what is left out."""

import base64
from dataclasses import replace

from sluice_config.compile import RoutesFrom
from sluice_config.published import credentials_name, index_name
from sluice_config.resources import ModelRoute, ResourceKey
from sluice_config.snapshot import CredentialRef
from sluice_operator.gather import Gatherer, World, key_of, parse
from sluice_operator.interests import interests
from sluice_operator.kube import Api
from sluice_operator.kube.kinds import AUTOSCALER, CONFIG_MAP, NAMESPACE, SECRET
from tests.support.canary import CANARY
from tests.support.pods import GATEWAY, deployment
from tests.support.resources import document
from tests.support.site import Site, provider, route, secret

CACHE = {
    "store": {
        "external": {"address": "redis:6379", "secretRef": {"name": "redis", "usernameKey": "u", "passwordKey": "p"}}
    },
    "warm": [{"configMapRef": {"name": "questions", "key": "lines"}}],
}


async def read(kube: Api, site: Site) -> World:
    return await Gatherer(kube, (site.namespace,)).read()


async def test_a_world(kube: Api, site: Site):
    site.apply(deployment(replicas=0), secret(), provider(), route(), document("CachePolicy", "answers", CACHE))
    questions = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "questions"}, "data": {"lines": "q"}}
    site.apply(questions, {**secret("redis"), "stringData": {"u": "user", "p": CANARY}})
    world = await read(kube, site)
    names = (site.namespace, "chat"), (site.namespace, "openai"), (site.namespace, "answers")
    resources = (*world.resources.routes, *world.resources.providers, *world.resources.caches)
    assert tuple((found.metadata.namespace, found.metadata.name) for found in resources) == names
    assert set(world.subjects) == {found.key for found in resources}
    assert world.resources.secrets == {
        (site.namespace, "openai"): frozenset({"api-key"}),
        (site.namespace, "redis"): frozenset({"u", "p"}),
    }
    assert world.resources.config_maps == {(site.namespace, "questions"): frozenset({"lines"})}
    assert world.values(world.resources)[CredentialRef(namespace=site.namespace, name="redis", key="u")] == b"user"
    assert len(world.values(world.resources)) == 3
    assert CANARY not in repr(world)
    assert base64.b64encode(CANARY.encode()).decode() not in repr(world)
    owner = world.gateways[site.namespace, GATEWAY].owner
    assert (owner.name, owner.deployment, owner.namespace) == (GATEWAY, GATEWAY, site.namespace)


async def test_what_is_being_deleted_is_gone(kube: Api, site: Site):
    held = [route("held"), deployment(replicas=0)]
    for found in held:
        found["metadata"]["finalizers"] = ["sluice.dev/test"]
    site.apply(*held, route("chat"))
    site.delete("modelroutes", "held")
    site.delete("deployments", GATEWAY)
    world = await read(kube, site)
    assert [found.metadata.name for found in world.resources.routes] == ["chat"]
    assert world.gateways == {}
    for kind, name in (("modelroutes", "held"), ("deployments", GATEWAY)):
        site.plane.api.merge(site.path(kind, name), {"metadata": {"finalizers": None}})


async def test_of_two_gateways_with_one_name_the_older_has_it(kube: Api, site: Site):
    first, second = deployment(replicas=0), deployment(replicas=0)
    first["metadata"]["name"], second["metadata"]["name"] = "b", "c"
    site.apply(first)
    site.apply(second)
    world = await read(kube, site)
    assert world.gateways[site.namespace, GATEWAY].owner.deployment == "b"


async def test_grants(kube: Api, site: Site):
    site.apply(deployment(replicas=0, routes_from="All"))
    assert (await read(kube, site)).gateways[site.namespace, GATEWAY].gateway.routes_from is RoutesFrom.ALL
    site.apply(deployment(replicas=0, routes_from=f"kubernetes.io/metadata.name={site.namespace}"))
    assert (await read(kube, site)).gateways[site.namespace, GATEWAY].gateway.routes_from == frozenset({site.namespace})
    site.apply(deployment(replicas=0, routes_from="((("))
    found = (await read(kube, site)).gateways[site.namespace, GATEWAY]
    assert found.gateway.routes_from is RoutesFrom.SAME
    assert found.wrong_grant.startswith("annotation sluice.dev/routes-from: ")


async def test_what_has_not_changed_is_not_parsed_or_fetched_again(kube: Api, site: Site):
    site.apply(secret(), provider(), route())
    gatherer = Gatherer(kube, (site.namespace,))
    first = await gatherer.read()
    site.plane.api.merge(f"{site.path('modelroutes', 'chat')}/status", {"status": {"models": "theirs"}})
    second = await gatherer.read()
    key = ResourceKey("ModelRoute", site.namespace, "chat")
    assert second.resources.routes[0] is first.resources.routes[0]
    assert second.secrets[site.namespace, "openai"] is first.secrets[site.namespace, "openai"]
    assert second.subjects[key].status == {"models": "theirs"}
    site.apply(route("chat", "another"), secret(value="another"))
    third = await gatherer.read()
    assert third.resources.routes[0].spec.models == ("another",)
    assert list(third.values(third.resources).values()) == [b"another"]


def test_a_document_that_cannot_be_read():
    broken = document("ModelRoute", "chat", {"models": [], "future": 1}, namespace="a", uid="u")
    found = parse(broken)
    assert isinstance(found, tuple)
    assert {finding.field for finding in found} == {"spec.models", "spec.future"}
    assert {(finding.resource, finding.reason) for finding in found} == {(key_of(broken), "Invalid")}
    assert isinstance(parse(document("ModelRoute", "chat", {"models": ["a"]}, namespace="a", uid="u")), ModelRoute)


async def test_what_matters_to_a_world(kube: Api, site: Site):
    site.apply(deployment(replicas=0), provider(), document("CachePolicy", "answers", CACHE))
    world = await read(kube, site)
    found = interests(world)
    assert found[SECRET, site.namespace, ""] == frozenset({"openai", "redis"})
    written = credentials_name(GATEWAY)
    assert found[SECRET, site.namespace, written] == frozenset({written})
    names = found[CONFIG_MAP, site.namespace, ""]
    assert names is not None
    assert names >= {"questions", index_name(GATEWAY), f"{GATEWAY}-config-0-a", f"{GATEWAY}-config-3-b"}
    assert found[AUTOSCALER, site.namespace, ""] == frozenset({GATEWAY})
    assert (NAMESPACE, None, "") not in found
    [one] = world.gateways.values()
    granted = replace(one, gateway=replace(one.gateway, routes_from=frozenset({"a"})))
    assert interests(replace(world, gateways={("a", "b"): granted}))[NAMESPACE, None, ""] is None
