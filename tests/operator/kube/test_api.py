"""The operator's client at a real API server: documents in, documents or errors of ours out."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sluice_operator.errors import InvalidSetting
from sluice_operator.kube import (
    Access,
    Api,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    Rejected,
    Unauthorized,
    Unreachable,
    metadata_of,
)
from sluice_operator.kube.errors import KubeError, ServerFault, error_of
from sluice_operator.kube.kinds import CONFIG_MAP, DEPLOYMENT, LEASE, MODEL_ROUTE, NAMESPACE, SECRET
from tests.support.canary import CANARY
from tests.support.cluster import ControlPlane
from tests.support.operator import kubeconfig
from tests.support.site import Site, route


def config_map(namespace: str, name: str = "one", **data: str) -> dict[str, Any]:
    return CONFIG_MAP.document(namespace, name, data=data)


async def test_apply_makes_and_changes_what_it_mentions(kube: Api, namespace: str):
    made = await kube.apply(config_map(namespace, a="1"))
    assert made["data"] == {"a": "1"}
    assert (await kube.apply(config_map(namespace, b="2")))["data"] == {"b": "2"}
    assert (await kube.get(CONFIG_MAP, namespace, "one"))["data"] == {"b": "2"}
    assert await kube.find(CONFIG_MAP, namespace, "two") is None


async def test_apply_under_a_condition(kube: Api, namespace: str):
    made = await kube.apply(config_map(namespace, a="1"))
    document = config_map(namespace, a="2")
    document["metadata"] |= {name: metadata_of(made)[name] for name in ("uid", "resourceVersion")}
    await kube.apply(document)
    with pytest.raises(Conflict):
        await kube.apply(document)
    await kube.delete(await kube.get(CONFIG_MAP, namespace, "one"))
    with pytest.raises(Conflict):
        await kube.apply(document)


async def test_merge_takes_out_what_others_have_added_to_what_was_read(kube: Api, namespace: str):
    made = await kube.apply(config_map(namespace, a="1"))
    patch = CONFIG_MAP.document(namespace, "one", data={"a": None})
    patch["metadata"] |= {name: metadata_of(made)[name] for name in ("uid", "resourceVersion")}
    assert "data" not in await kube.merge(patch)
    with pytest.raises(Conflict):
        await kube.merge(patch)


async def test_delete_only_what_was_read(kube: Api, namespace: str):
    old = await kube.apply(config_map(namespace, a="1"))
    new = await kube.apply(config_map(namespace, a="2"))
    with pytest.raises(Conflict):
        await kube.delete(old)
    await kube.delete(new)
    with pytest.raises(NotFound):
        await kube.delete(new)


async def test_a_status_has_a_place_of_its_own(kube: Api, site: Site):
    site.apply(route())
    status = {"observedGeneration": 1, "models": "chat"}
    await kube.apply_status(MODEL_ROUTE.document(site.namespace, "chat", status=status))
    assert site.get("modelroutes", "chat")["status"] == status
    await kube.apply_status(MODEL_ROUTE.document(site.namespace, "chat", status={"observedGeneration": 2}))
    assert site.get("modelroutes", "chat")["status"] == {"observedGeneration": 2}
    with pytest.raises(NotFound):
        await kube.apply_status(MODEL_ROUTE.document(site.namespace, "gone", status=status))


async def test_a_status_is_for_one_object_and_not_for_the_next_of_its_name(kube: Api, site: Site):
    site.apply(route())
    old = site.get("modelroutes", "chat")["metadata"]["resourceVersion"]
    site.delete("modelroutes", "chat")
    site.apply(route())
    document = MODEL_ROUTE.document(site.namespace, "chat", status={"models": "old"})
    document["metadata"]["resourceVersion"] = old
    with pytest.raises(Conflict):
        await kube.apply_status(document)
    assert "status" not in site.get("modelroutes", "chat")


async def test_lists_are_whole_whatever_their_pages(kube: Api, namespace: str):
    names = [f"item-{number:03}" for number in range(501)]
    turns = asyncio.Semaphore(16)

    async def make(name: str) -> None:
        async with turns:
            await kube.create(config_map(namespace, name))

    await asyncio.gather(*map(make, names))
    listed = await kube.list(CONFIG_MAP, namespace)
    assert {metadata_of(item)["name"] for item in listed} >= set(names)
    assert {(item["apiVersion"], item["kind"]) for item in listed} == {("v1", "ConfigMap")}
    taken = await kube.each(CONFIG_MAP, namespace, lambda item: str(metadata_of(item)["name"]))
    assert set(taken) >= set(names)
    stubs, version = await kube.list_stubs(CONFIG_MAP, namespace)
    assert {stub.name for stub in stubs} == set(taken)
    assert version


async def test_a_watch_of_identities(kube: Api, namespace: str):
    _, version = await kube.list_stubs(SECRET, namespace)
    async with aclosing(kube.watch_stubs(SECRET, namespace, version)) as watch:
        secret = SECRET.document(namespace, "one", stringData={"key": CANARY})
        secret["metadata"]["annotations"] = {"long": "x" * 200_000}  # longer than a line may be for aiohttp
        await kube.create(secret)
        made = await anext(watch)
        assert (made.namespace, made.name, made.deleted) == (namespace, "one", False)
        assert CANARY not in repr(made)
        await kube.delete(await kube.get(SECRET, namespace, "one"))
        gone = await anext(watch)
        assert (gone.name, gone.uid, gone.deleted) == ("one", made.uid, True)


async def test_a_watch_from_a_version_that_never_was(kube: Api, namespace: str):
    with pytest.raises(KubeError, match="watch secrets in"):
        await anext(kube.watch_stubs(SECRET, namespace, "not-a-version"))


async def test_the_selector_of_namespaces_is_the_servers_matter(kube: Api):
    stubs, _ = await kube.list_stubs(NAMESPACE, None, labels="kubernetes.io/metadata.name=kube-system")
    assert [stub.name for stub in stubs] == ["kube-system"]
    with pytest.raises(Rejected):
        await kube.list_stubs(NAMESPACE, None, labels="not a (selector")


async def test_who_may_do_nothing_is_told(control_plane: ControlPlane, namespace: str, tmp_path: Any):
    token = control_plane.token(namespace, "nobody")
    api = Api(Access.find(kubeconfig(control_plane, token, tmp_path)))
    assert await api.user() == f"system:serviceaccount:{namespace}:nobody"
    with pytest.raises(Forbidden, match=f"GET configmaps {namespace}/one: 403 "):
        await api.get(CONFIG_MAP, namespace, "one")
    with pytest.raises(Forbidden) as refusal:
        await api.apply(SECRET.document(namespace, "one", stringData={"key": CANARY}))
    assert CANARY not in str(refusal.value)
    await api.close()
    wrong = Api(Access.find(kubeconfig(control_plane, "no-token", tmp_path)))
    with pytest.raises(Unauthorized, match="401"):
        await wrong.user()
    await wrong.close()


async def test_what_the_server_says_of_a_secret_is_not_passed_on(kube: Api, namespace: str):
    with pytest.raises(KubeError) as refusal:
        await kube.apply(SECRET.document(namespace, "one", data={"key": f"{CANARY}!"}))
    assert CANARY not in str(refusal.value)


async def test_nobody_there(control_plane: ControlPlane, tmp_path: Any):
    api = Api(Access.find(kubeconfig(control_plane, "token", tmp_path, server="https://127.0.0.1:1")))
    with pytest.raises(Unreachable) as refusal:
        await api.user()
    assert refusal.value.status == 0
    await api.close()


async def test_no_way_to_an_api_server(tmp_path: Any):
    with pytest.raises(InvalidSetting, match="not in a pod"):
        Access.find(None)
    for content in ("{}", "contexts: []\ncurrent-context: gone\n", "- 1", "\t"):
        (tmp_path / "config").write_text(content, encoding="utf-8")
        with pytest.raises(InvalidSetting, match="kubeconfig"):
            Access.find(tmp_path / "config")
    with pytest.raises(InvalidSetting, match="not in a pod"):
        Access.find(None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)


async def test_a_pods_own_way_reads_its_token_again_as_it_rotates(control_plane: ControlPlane, tmp_path: Path):
    (tmp_path / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    (tmp_path / "token").write_text("old\n")
    address = urlsplit(control_plane.server)
    environ = {"KUBERNETES_SERVICE_HOST": address.hostname or "", "KUBERNETES_SERVICE_PORT": str(address.port)}
    api = Api(Access.find(None, environ, tmp_path))
    with pytest.raises(Unauthorized):
        await api.user()
    (tmp_path / "token").write_text(control_plane.token("default", "pod", []))
    assert await api.user() == "system:serviceaccount:default:pod"
    (tmp_path / "token").unlink()
    with pytest.raises(Unreachable):
        await api.user()
    await api.close()


def test_an_address_of_version_six_stands_in_brackets(tmp_path: Path):
    (tmp_path / "token").write_text("token")
    assert Access.find(None, {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).server == "https://[fd00::1]:443"


def test_certificates_that_are_none_are_said_to_be_so(tmp_path: Path):
    (tmp_path / "token").write_text("token")
    (tmp_path / "ca.crt").write_text("none")
    access = Access.find(None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
    with pytest.raises(InvalidSetting, match="certificates"):
        access.ssl_context()


def test_users_of_plugins_are_refused_by_name(tmp_path: Path):
    file = tmp_path / "config"
    file.write_text(
        "clusters: [{name: a, cluster: {server: https://a}}]\nusers: [{name: a, user: {exec: {command: x}}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n"
    )
    with pytest.raises(InvalidSetting, match="exec"):
        Access.find(file)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFound), (409, Conflict), (410, Expired), (422, Rejected), (429, ServerFault), (503, ServerFault)],
)
def test_errors_by_status(status: int, kind: type[Exception]):
    error = error_of("GET x", status, "m" * 10_000)
    assert type(error) is kind
    assert (error.status, len(str(error)) < 600) == (status, True)
    assert error.reason == kind.__name__


def test_paths():
    assert CONFIG_MAP.path("a", "b") == "/api/v1/namespaces/a/configmaps/b"
    assert DEPLOYMENT.path() == "/apis/apps/v1/deployments"
    assert MODEL_ROUTE.path("a", "b", "status") == "/apis/sluice.dev/v1alpha1/namespaces/a/modelroutes/b/status"
    assert LEASE.document("a", "b", spec={})["apiVersion"] == "coordination.k8s.io/v1"
