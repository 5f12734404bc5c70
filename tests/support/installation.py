"""Sluice installed in a cluster with a node, as a user does it: both images, the default overlay, the samples."""

import secrets
from contextlib import suppress
from pathlib import Path

import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.shell import run
from tests.images.build import GATEWAY, OPERATOR, REDIS, built
from tests.support.cluster import ControlPlane
from tests.support.kubernetes_api import Document

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "sluice-system"
ROLL_OUT = 180.0
STATE = "/var/lib/sluice-state"  # in the cluster's sandbox: gone with it
VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "state"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": STATE},
        "claimRef": {"namespace": NAMESPACE, "name": "data-sluice-state-0"},
    },
}


class Installation(ControlPlane):
    """The cluster, and what its gateway needs of callers."""

    def __init__(self, cluster: Cluster, kubectl: Path, caller_key: str = "") -> None:
        super().__init__(cluster, kubectl)
        self.caller_key = caller_key or f"sk-{secrets.token_hex(16)}"

    def install(self) -> None:
        """Load the images, and deploy what most users do."""
        for archive in built(GATEWAY, OPERATOR, REDIS):
            self.cluster.load_image(archive)
        self._make_room()
        self.deploy("default")

    def deploy(self, overlay: str) -> None:
        """Apply the manifests and the samples, wait until the operator and two gateway pods work."""
        self.kubectl("apply", "-k", MANIFESTS / "overlays" / overlay, within=ROLL_OUT)
        self.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}")
        key = f"--from-literal=playground={self.caller_key}"
        self.kubectl("create", "secret", "generic", "sluice-gateway-keys", key)
        self.kubectl("apply", "-k", MANIFESTS / "samples")
        for workload in self.kubectl("get", "deployments,statefulsets", "-o", "name").split():
            self.roll_out(workload)
        self.wait_for("modelroute/chat", "condition=Ready")
        self.wait_for("modelroute/chat", "jsonpath={.status.programmed}=2/2 pods")

    def roll_out(self, workload: str) -> None:
        """Wait until all pods of a workload are those of its last change, and work."""
        self.kubectl("rollout", "status", workload, f"--timeout={ROLL_OUT:.0f}s", within=ROLL_OUT + 5)

    def wait_for(self, name: str, state: str) -> None:
        """`kubectl wait --for`."""
        self.kubectl("wait", name, f"--for={state}", f"--timeout={ROLL_OUT:.0f}s", within=ROLL_OUT + 5)

    def programmed(self, route: str) -> None:
        """Wait until the pods say that they run a route as it is now."""

        def is_programmed() -> bool:
            found = yaml.safe_load(self.kubectl("get", "modelroute", route, "-o", "yaml"))
            conditions = found.get("status", {}).get("conditions", ())
            now = ("Programmed", "True", found["metadata"]["generation"])
            return now in [(one["type"], one["status"], one["observedGeneration"]) for one in conditions]

        self.until(is_programmed, f"{route} is programmed")

    def pods(self, workload: str) -> dict[str, int]:
        """Its pods that are not going away, and how often each was restarted."""
        return {
            pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
            for pod in self._pods(workload)
        }

    def pod_urls(self, workload: str) -> dict[str, str]:
        """Where this machine reaches its pods, by name; without a port."""
        return {pod["metadata"]["name"]: f"http://{pod['status']['podIP']}" for pod in self._pods(workload)}

    def processes(self, pod: str) -> list[int]:
        """This machine's ids of a pod's processes, without the one that holds its namespaces."""
        uid = self.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
        names = (uid, uid.replace("-", "_"))
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # gone meanwhile
                group, command = (process / "cgroup").read_text(), (process / "cmdline").read_bytes()
                if any(name in group for name in names) and not command.startswith(b"/pause"):
                    found.append(int(process.name))
        return found

    def _pods(self, workload: str) -> list[Document]:
        label = f"--selector=app.kubernetes.io/name={workload}"
        found: list[Document] = yaml.safe_load(self.kubectl("get", "pods", label, "-o", "yaml"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def gateway_url(self) -> str:
        """The gateway's Service, which this machine reaches."""
        address = self.kubectl("get", "service", "sluice-gateway", "-o", "jsonpath={.spec.clusterIP}")
        return f"http://{address}"

    def _make_room(self) -> None:
        """A volume for the state Redis: nothing here makes them when they are claimed."""
        run(*self.cluster.sandbox.enter("mkdir", "-p", "-m", "777", STATE))
        self.apply(VOLUME)
