"""An operator of all namespaces: gateways beside each other, grants, and namespaces and kinds that come and go."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import CRD_PATH, CRDS, ApiRefused, ControlPlane
from tests.support.kubernetes_api import Document
from tests.support.operator import Operator, kubeconfig, running, token_for
from tests.support.site import Site, provider, route, secret
from tests.support.warm import Warm


@pytest.fixture
def sites(sluice_api: ControlPlane, tmp_path: Path, operators: Warm) -> Iterator[list[Site]]:
    """Two namespaces."""
    with ExitStack() as stack:
        found = []
        for _ in range(2):
            name = sluice_api.new_namespace()
            stack.callback(sluice_api.kubectl, "delete", "namespace", name, "--wait=false", "--ignore-not-found")
            found.append(Site(sluice_api, name, tmp_path, stack, operators))
        yield found


@contextmanager
def operator_of_all(sites: list[Site]) -> Iterator[Operator]:
    """One operator of the whole cluster, which may write and read Secrets in these namespaces."""
    home, *others = sites
    token = token_for(home.plane, home.namespace, whole_cluster=True)
    for site in others:
        site.admit(home.namespace)
    config = kubeconfig(home.plane, token, home.folder)
    with running(config, home.namespace, home.folder, warm=home.warm, SLUICE_NAMESPACES="") as operator:
        yield operator


def test_a_gateway_takes_routes_of_the_namespaces_that_its_selector_grants(sites: list[Site]):
    home, team = sites
    home.gateway(routes_from="team in (red, blue)")
    with operator_of_all(sites):
        team.apply(secret(), provider(), route(gatewayRef={"name": "sluice-gateway", "namespace": home.namespace}))
        message = team.becomes("modelroutes", "chat", "Accepted", "False", "NotGranted")
        assert "the annotation sluice.dev/routes-from on its Deployment is the grant" in message
        home.plane.api.merge(f"/api/v1/namespaces/{team.namespace}", {"metadata": {"labels": {"team": "red"}}})
        team.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
        assert [route.namespace for route in home.snapshot().routes] == [team.namespace]
        home.gateway(routes_from="not a (selector")
        team.becomes("modelroutes", "chat", "Accepted", "False", "NotGranted")
        home.until(lambda: home.events() == [("InvalidGrant", 1)], "an Event")


def test_a_namespace_that_ends_disturbs_no_other(sites: list[Site]):
    home, ending = sites
    with operator_of_all(sites) as operator:
        for site in sites:
            site.gateway()
            site.apply(secret(), provider(), route())
            site.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
        home.plane.api.delete(f"/api/v1/namespaces/{ending.namespace}")
        home.apply(route("new"))
        home.becomes("modelroutes", "new", "Ready", "True", "Programmed")
        ending.until(lambda: ending.find("modelroutes", "chat") is None, "the route is gone")
        home.until(lambda: operator.metric("sluice_operator_gateway_pods") == 2, "the gateway is forgotten")
        assert operator.process.poll() is None


@pytest.mark.timeout(300)
def test_a_gateway_in_a_namespace_where_nothing_may_be_written(sites: list[Site]):
    home, closed = sites
    token = token_for(home.plane, home.namespace, whole_cluster=True)
    closed.gateway()
    closed.apply(provider("local", provider="mock", credentials=None), route(targets=[{"provider": "local"}]))
    home.gateway()
    home.apply(secret(), provider(), route())
    config = kubeconfig(home.plane, token, home.folder)
    with running(config, home.namespace, home.folder, warm=home.warm, SLUICE_NAMESPACES=""):
        home.becomes("modelroutes", "chat", "Ready", "True", "Programmed")
        message = closed.becomes("modelroutes", "chat", "Programmed", "False", "Pending")
        assert f"not written: GET configmaps {closed.namespace}/sluice-gateway-config: 403" in message
        closed.admit(home.namespace)  # which nothing tells the operator: it tries again by itself, ever less often
        closed.becomes("modelroutes", "chat", "Ready", "True", "Programmed", within=120)


def test_a_field_of_another_version_keeps_only_its_resource_out(sites: list[Site]):
    site = sites[0]
    site.serve(secret(), provider(), route("chat"))
    with fields_of_another_version(site.plane):
        site.until(lambda: _taken(site, route("newer", teleport=True)), "the field is known")
        message = site.becomes("modelroutes", "newer", "Accepted", "False", "Invalid")
        assert message.startswith("spec.teleport: ")
        site.apply(route("other"))
        site.becomes("modelroutes", "other", "Ready", "True", "Programmed")


def _taken(site: Site, document: Document) -> bool:
    try:
        site.apply(document)
    except ApiRefused:
        return False
    return True


@contextmanager
def fields_of_another_version(plane: ControlPlane) -> Iterator[None]:
    """Let the API server keep fields of routes that this version does not know."""
    file = CRDS / "modelroutes.sluice.dev.yaml"
    crd = yaml.safe_load(file.read_text(encoding="utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-preserve-unknown-fields"] = True
    path = f"{CRD_PATH}/{file.stem}"
    plane.api.apply(path, crd)
    try:
        yield
    finally:
        plane.install_crds()


def test_kinds_that_are_gone_for_a_while(sites: list[Site]):
    site = sites[0]
    operator = site.serve(secret(), provider(), route())
    site.plane.kubectl("delete", "crd", "cachepolicies.sluice.dev")
    try:
        assert operator.process.wait(60) == 1
        successor = site.start("two")
        assert successor.logged("not read yet")["reason"] == "NotFound"
        assert site.snapshot().routes[0].name == "chat"  # what gateways read stays
    finally:
        site.plane.install_crds()
    successor.logged("leading")
    site.apply(route("new"))
    site.becomes("modelroutes", "new", "Ready", "True", "Programmed")
