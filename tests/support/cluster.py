"""A real API server for tests: one control plane (etcd, API server, controllers; no nodes) for each test process.

``control_plane`` is the server as it comes, ``sluice_api`` the same with Sluice's CRDs, and ``namespace`` an empty
namespace in it that belongs to one test.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.cluster.build import programs_folder
from tests.cluster.cluster import Cluster
from tests.cluster.keeper import kept
from tests.cluster.preconditions import SWITCH, cannot_use, required
from tests.support.kubernetes_api import Api, ApiRefused, Document, Identity

CRDS = Path(__file__).parents[2] / "crds"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC_PATH = "/apis/rbac.authorization.k8s.io/v1"
PATIENCE = 60.0  # seconds: what comes in one may take far longer on a busy machine


class KubectlFailed(Exception):
    """kubectl ended with another code than 0; the text is what it wrote to standard error."""


class ControlPlane:
    """A running API server, and what a test needs to talk to it as its administrator or with fewer rights."""

    def __init__(self, cluster: Cluster, kubectl: Path) -> None:
        self.cluster = cluster
        self.server = cluster.network().server
        self.kubeconfig = cluster.directory / "kubeconfig"
        self.ca_file = cluster.pki.directory / "ca.crt"
        self.kubectl_program = kubectl
        self.api = self.administrator()
        self._namespaces = 0
        self._collections: dict[tuple[str, str], str] = {}

    def administrator(self) -> Api:
        """Another connection with all rights, for another thread. The caller closes it."""
        pki = self.cluster.pki.directory
        return Api(self.server, self.ca_file, Identity((pki / "admin.crt", pki / "admin.key")))

    def kubectl_command(self, *arguments: str | Path) -> list[str | Path]:
        """The command line of the administrator's kubectl, for one that stays running."""
        return [self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *arguments]

    def kubectl(self, *arguments: str | Path, stdin: str = "", within: float = PATIENCE) -> str:
        """What kubectl prints when the administrator runs it; raises KubectlFailed."""
        command = self.kubectl_command(*arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=within, check=False)
        if done.returncode != 0:
            raise KubectlFailed(done.stderr.strip())
        return done.stdout

    def apply(self, *documents: Document, namespace: str = "default", api: Api | None = None) -> None:
        """Apply objects of any kind, one after the other, as `kubectl apply` does on the server's side.

        Without kubectl, each run of which costs as much as a hundred requests. ``api`` is another thread's connection.
        """
        for document in documents:
            collection = self._collection(api or self.api, document["apiVersion"], document["kind"])
            (api or self.api).apply(f"{collection.format(namespace)}/{document['metadata']['name']}", document)

    def install_crds(self) -> None:
        """Apply crds/*.yaml and wait until the API server serves their kinds."""
        paths = []
        for file in sorted(CRDS.glob("*.sluice.dev.yaml")):
            paths.append(f"{CRD_PATH}/{file.stem}")
            self.api.apply(paths[-1], yaml.safe_load(file.read_text(encoding="utf-8")))
        self.until(lambda: all(established(self.api.get(path)) for path in paths), "the kinds are served")

    def new_namespace(self, prefix: str = "test") -> str:
        """Create a namespace; its name. Its default service account may take a moment longer."""
        self._namespaces += 1
        name = f"{prefix}-{self._namespaces}"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def token(
        self, namespace: str, name: str, rules: Sequence[Document] = (), cluster_rules: Sequence[Document] = ()
    ) -> str:
        """A bearer token of a new service account that may do just this: in its namespace, and in all of the cluster.

        A rule is RBAC's, such as ``{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}``.
        """
        self.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        subject = {"kind": "ServiceAccount", "namespace": namespace, "name": name}
        if rules:
            self._grant("Role", f"{RBAC_PATH}/namespaces/{namespace}", name, rules, subject)
        if cluster_rules:
            self._grant("ClusterRole", RBAC_PATH, f"{namespace}.{name}", cluster_rules, subject)
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token: str = self.api.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
        return token

    def as_bearer(self, token: str) -> Api:
        """A client with this token and no other right. The caller closes it."""
        return Api(self.server, self.ca_file, Identity(token=token))

    def event_after(self, version: str, path: str) -> Document:
        """The first event of a watch of the collection at the path, from this version on; there must be one."""
        found: list[Document] = []

        def asked() -> bool:
            with suppress(ApiRefused):  # it may still be reading what etcd has
                found.append(self.api.get(path, watch="true", resourceVersion=version, timeoutSeconds="1"))
            return bool(found)

        self.until(asked, "the watch begins")
        return found[0]

    def until(self, condition: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
        """Look until it is so, ever less often; fails the test after ``within`` seconds."""
        began = time.monotonic()
        while not condition():
            waited = time.monotonic() - began
            assert waited < within, f"not within {within} s: {what}"
            time.sleep(min(0.02 + waited / 20, 0.25))

    def _collection(self, api: Api, version: str, kind: str) -> str:
        """The path of a kind's objects; ``{}`` is their namespace, if they have one."""
        if (version, kind) not in self._collections:
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            [(name, namespaced)] = [
                (found["name"], found["namespaced"])
                for found in api.get(root)["resources"]
                if found["kind"] == kind and "/" not in found["name"]
            ]
            self._collections[version, kind] = f"{root}/namespaces/{{}}/{name}" if namespaced else f"{root}/{name}"
        return self._collections[version, kind]

    def _grant(self, kind: str, path: str, name: str, rules: Sequence[Document], subject: Document) -> None:
        self.api.create(f"{path}/{kind.lower()}s", {"metadata": {"name": name}, "rules": list(rules)})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        self.api.create(f"{path}/{kind.lower()}bindings", binding)


def established(crd: Document) -> bool:
    """Whether the API server serves the kind."""
    conditions = crd.get("status", {}).get("conditions") or ()  # null at first
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who asks for a cluster is slow, and so no part of the unit layer."""
    for item in items:
        if "control_plane" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


def available_programs(environment: Mapping[str, str]) -> Path:
    """The folder of the cluster's programs. Where no cluster can run, this fails the test in CI, and else skips it."""
    programs = programs_folder()
    if reason := cannot_use(programs, environment):
        refuse = pytest.fail if required(environment) else pytest.skip
        refuse(f"no API server to test with: {reason} ({SWITCH}=required makes this a failure)")
    return programs


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this test process, gone with it."""
    programs = available_programs(os.environ)
    with kept(tmp_path_factory.mktemp("cluster"), with_node=False) as cluster:
        plane = ControlPlane(cluster, programs / "kubectl")
        yield plane
        plane.api.close()


@pytest.fixture(scope="session")
def sluice_api(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with Sluice's CRDs installed."""
    control_plane.install_crds()
    return control_plane


@pytest.fixture
def namespace(sluice_api: ControlPlane) -> Iterator[str]:
    """The name of an empty namespace for this test; deleted afterwards, without waiting for the end of it."""
    name = sluice_api.new_namespace()
    yield name
    sluice_api.api.delete(f"/api/v1/namespaces/{name}")


__all__ = ["ApiRefused", "ControlPlane", "KubectlFailed", "control_plane", "namespace", "sluice_api"]
