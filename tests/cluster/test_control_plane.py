"""The cluster for tests: what a test gets, and that nothing of it stays, however its user ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.keeper import ROOT
from tests.cluster.network import Network
from tests.cluster.sandbox import cgroup_folders
from tests.cluster.shell import ClusterError, run
from tests.support.cluster import ApiRefused, ControlPlane, KubectlFailed
from tests.support.kubernetes_api import Document

READ_ONE = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["get"]}
LIST_NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}


def test_kubectl_is_the_administrator(control_plane: ControlPlane) -> None:
    assert control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.groups[0]}") == "system:masters"
    version = json.loads(control_plane.kubectl("version", "-o", "json"))
    assert version["clientVersion"]["gitVersion"] == version["serverVersion"]["gitVersion"]


def test_kubectl_tells_why_it_failed(control_plane: ControlPlane) -> None:
    with pytest.raises(KubectlFailed, match='namespaces "none" not found'):
        control_plane.kubectl("get", "namespace", "none")


def test_each_test_has_a_namespace_of_its_own(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}, namespace=namespace)
    other = control_plane.new_namespace()
    names = ("get", "configmap", "mine", "--ignore-not-found", "-o", "name")
    assert control_plane.kubectl(*names, "-n", namespace) == "configmap/mine\n"
    assert control_plane.kubectl(*names, "-n", other) == ""


def test_a_token_may_do_what_it_was_given_and_nothing_else(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("mine", "yours"):
        control_plane.api.create(path, {"metadata": {"name": name}})
    api = control_plane.as_bearer(control_plane.token(namespace, "reader", [READ_ONE], [LIST_NODES]))
    control_plane.until(lambda: allowed(lambda: api.get(f"{path}/mine")), "the rule to hold")
    assert api.get("/api/v1/nodes")["items"] == []
    for forbidden in (f"{path}/yours", path, f"/api/v1/namespaces/{namespace}/secrets"):
        with pytest.raises(ApiRefused) as caught:
            api.get(forbidden)
        assert caught.value.status == 403
    api.close()


def allowed(call: Callable[[], Document]) -> bool:
    try:
        call()
    except ApiRefused:
        return False
    return True


def test_controllers_work(control_plane: ControlPlane, namespace: str) -> None:
    """The garbage collector among them: what is owned goes with its owner."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = control_plane.api.create(path, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    control_plane.api.create(path, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    control_plane.api.delete(f"{path}/owner")
    control_plane.until(lambda: not allowed(lambda: control_plane.api.get(f"{path}/owned")), "the owned one is gone")


def link_number(network: Network) -> int | None:
    """The kernel's number of the cluster's link, which no later link gets; None if there is no link of that name."""
    try:
        return int(Path(f"/sys/class/net/{network.link}/ifindex").read_text())
    except OSError:  # it is not there, or goes away as it is read (EINVAL)
        return None


def traces(directory: Path, network: Network, link: int | None) -> list[str]:
    """What a cluster left behind on this machine. Its addresses may be another one's by now."""
    left = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line]
    left += [str(directory)] if directory.exists() else []
    if link_number(network) in {None, link}:
        left += [line for line in run("ip", "route", "show", "table", "all").splitlines() if network.block in line]
        left += [str(folder) for folder in cgroup_folders(network.cgroup) if folder.exists()]
    return left


def test_nothing_is_left_when_the_user_is_killed(control_plane: ControlPlane, tmp_path: Path):
    """The tests' process may be killed: the cluster notices, and goes. A SIGTERM ends the process as SIGKILL does."""
    directory = tmp_path / "cluster"
    script = f"""
import pathlib, sys
from tests.cluster.keeper import kept
with kept(pathlib.Path({str(directory)!r}), with_node=False) as cluster:
    print(cluster.network().index, flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        network = Network(int(user.stdout.readline()))
        link = link_number(network)
        assert len(traces(directory, network, link)) >= 3
        user.kill()
        control_plane.until(lambda: not traces(directory, network, link), "nothing is left")


def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"programs are not built: python -m tests\.cluster build"):
        Cluster(tmp_path / "cluster").up(tmp_path / "programs", with_node=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_cluster_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(ClusterError, match="is not a cluster's folder"):
        Cluster(tmp_path).down()
    assert (tmp_path / "letters").exists()
