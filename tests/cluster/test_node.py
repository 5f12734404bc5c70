"""A cluster with its node: pods, Services, names, volumes, and no way out of this machine. The tests are one story."""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.build import PROBE_IMAGE
from tests.cluster.keeper import kept
from tests.support.cluster import ControlPlane, KubectlFailed, available_programs

pytestmark = pytest.mark.slow

MANIFESTS = Path(__file__).with_name("node.yaml")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Node(ControlPlane):
    """The cluster, and what its pods answer."""

    def value(self, kind: str, name: str, path: str) -> str:
        return self.kubectl("get", kind, name, "--namespace=node", "-o", f"jsonpath={{{path}}}")

    def ask(self, path: str, **query: str) -> str:
        """What the Service's pods answer to this machine, which uses the Service's address."""
        address = self.value("service", "web", ".spec.clusterIP")
        try:
            with OPENER.open(f"http://{address}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
                return str(answer.read(), "utf-8")
        except urllib.error.HTTPError as error:
            return str(error.read(), "utf-8")

    def fetched(self, url: str) -> str:
        """What one of the pods gets from a URL."""
        return self.ask("/fetch", url=url)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    programs = available_programs(os.environ)
    with kept(tmp_path_factory.mktemp("node"), with_node=True) as cluster:
        cluster.load_image(programs / "probe.tar")
        found = Node(cluster, programs / "kubectl")
        found.kubectl("apply", "-f", MANIFESTS)
        for workload in ("deploy/web", "sts/peer"):
            found.kubectl("rollout", "status", workload, "--namespace=node", "--timeout=60s", within=60)
        yield found
        found.api.close()


def test_a_service_answers_this_machine_and_other_pods(node: Node) -> None:
    assert node.ask("/version") == "one"
    names = ("web", "web.node.svc.cluster.local", "peer-0.peer.node.svc.cluster.local:8080")
    node.until(lambda: [node.fetched(f"http://{name}/version") for name in names] == ["one"] * 3, "names are known")


def test_nothing_leaves_this_machine(node: Node) -> None:
    assert "no such host" in node.fetched("http://name.example/")
    assert "unreachable" in node.fetched("http://192.0.2.1/") or "no route" in node.fetched("http://192.0.2.1/")
    node.kubectl("run", "pull", "--image=registry.example/none:1", "--namespace=default")
    reason = ("get", "pod", "pull", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
    node.until(lambda: "Pull" in node.kubectl(*reason), "the pull is refused")


def test_a_pod_reads_what_its_service_account_may(node: Node) -> None:
    url = "https://kubernetes.default.svc/api/v1/namespaces/node"
    assert json.loads(node.fetched(f"{url}/configmaps/message"))["data"] == {"text": "before"}
    assert json.loads(node.fetched(f"{url}/secrets"))["code"] == 403


def test_pods_that_may_too_much_are_refused(node: Node) -> None:
    with pytest.raises(KubectlFailed, match="violates PodSecurity"):
        node.kubectl("run", "root", f"--image={PROBE_IMAGE}", "--namespace=node")


def test_a_mounted_config_map_follows_its_object(node: Node) -> None:
    node.kubectl("patch", "configmap", "message", "--namespace=node", "--patch", '{"data": {"text": "after"}}')
    node.until(lambda: node.ask("/file/message/text") == "after", "the new text is in the pods")


def test_an_update_rolls_out(node: Node) -> None:
    node.kubectl("set", "env", "deploy/web", "VERSION=two", "--namespace=node")
    node.kubectl("rollout", "status", "deploy/web", "--namespace=node", "--timeout=60s", within=60)
    node.until(lambda: node.ask("/version") == "two", "the new version answers")


def test_logs_commands_and_forwarded_ports_work(node: Node) -> None:
    assert "serving one" in node.kubectl("logs", "sts/peer", "--namespace=node")
    command = ("exec", "peer-0", "--namespace=node", "--", "/probe", "fetch", "http://peer-0.peer:8080/version")
    assert node.kubectl(*command) == "one"
    forward = ("port-forward", "--namespace=node", "peer-0", ":8080")
    with subprocess.Popen(node.kubectl_command(*forward), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split("127.0.0.1:")[1].split()[0]
        with OPENER.open(f"http://127.0.0.1:{port}/version", timeout=30) as answer:
            assert answer.read() == b"one"
        process.terminate()


def test_metrics_are_served_through_the_api_server(node: Node) -> None:
    node.kubectl("wait", "apiservice/v1beta1.metrics.k8s.io", "--for=condition=Available", "--timeout=60s", within=60)
    assert node.api.get("/apis/metrics.k8s.io/v1beta1/nodes")["kind"] == "NodeMetricsList"


def test_what_is_deleted_is_collected(node: Node) -> None:
    node.kubectl("delete", "deploy/web", "--namespace=node")
    names = ("get", "rs,pod", "-l", "app=web", "--namespace=node", "-o", "name")
    node.until(lambda: not node.kubectl(*names), "the pods are gone")
