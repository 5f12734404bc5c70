"""A real Kubernetes cluster on this machine, without installing it.

Every program of a cluster runs in one sandbox: a PID, mount and network
namespace of its own. Nothing in it has a default route, and killing the
sandbox's first process ends every program, pod, mount, address and firewall
rule of the cluster at once.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from string import Template
from typing import Any

from tests.cluster import programs
from tests.cluster.network import Network, claim_network, connect_network, disconnect_network, forward_pods
from tests.cluster.pki import NODE_NAME, Pki
from tests.cluster.sandbox import Sandbox, create_cgroups, remove_cgroups, resident_memory
from tests.cluster.shell import ClusterError, Stopwatch, run, say, wait_until

ETCD = "http://127.0.0.1:2379"
CONFIG = Path(__file__).resolve().parent / "config"

# Which client's certificate each one holds.
KUBECONFIGS = {
    "kubeconfig": "admin",
    "coredns.kubeconfig": "coredns",
    "kube-controller-manager.kubeconfig": "kube-controller-manager",
    "kube-proxy.kubeconfig": "kube-proxy",
    "kube-scheduler.kubeconfig": "kube-scheduler",
    "kubelet.kubeconfig": "kubelet",
    "metrics-server.kubeconfig": "metrics-client",
}


class Cluster:
    """A cluster in its directory; everything about it can be read back from there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.sandbox = Sandbox(self.directory)
        self.pki = Pki(self.directory / "pki")
        self._state = self.directory / "state.json"

    def up(self, programs_folder: Path, with_node: bool) -> None:
        """Start it in a new or empty directory and wait until it works; `down` cleans up after a failure too."""
        watch = Stopwatch()
        self._prepare(programs_folder)
        network = self._start_sandbox(programs_folder.resolve())
        watch.lap(f"sandbox {network.link} with {network.cidr}")
        self._start("etcd", programs.etcd())
        self.pki.create(network)
        self._start("kube-apiserver", programs.apiserver(network))
        self._write_kubeconfigs(network)
        self._write_config(network)
        watch.lap("etcd and API server started")
        if with_node:
            self._start_containers(network, programs_folder / "pause.tar")
            watch.lap("containerd works")
        wait_until(self._api_ready, "the API server to be ready")
        watch.lap("API server ready")
        self._start("kube-controller-manager", programs.controller_manager())
        if with_node:
            self._start_node(network)
            wait_until(self._node_usable, "the node to be ready")
            watch.lap("node ready and untainted")
            wait_until(self._services_work, "Services to work")
            watch.lap("Services work")
        wait_until(self._controllers_work, "the controllers to work")
        watch.lap("controllers work")

    def forget_history(self) -> None:
        """Let etcd and the API server drop all that was before now: who watches from an old version gets a 410.

        The API server must start anew, since it keeps recent changes in its own memory.
        """
        [process] = self.sandbox.processes()["kube-apiserver"]
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: "kube-apiserver" not in self.sandbox.processes(), "the API server to end")
        revision = self._ask_etcd("maintenance/status", {})["header"]["revision"]
        self._ask_etcd("kv/compaction", {"revision": revision, "physical": True})
        log = 'exec >>/mnt/cluster/logs/kube-apiserver.log 2>&1; "$@" &'
        command = programs.apiserver(self.network())
        run(*self.sandbox.enter("sh", "-c", log, "sh", *command), env=programs.environment())
        wait_until(self._api_ready, "the API server to be ready")

    def load_image(self, archive: Path) -> None:
        """Import an oci-archive or docker-archive, so that pods can use its image without a pull."""
        with archive.open("rb") as image:
            run(*self.sandbox.enter(*programs.import_image()), stdin=image, env=programs.environment())

    def down(self) -> None:
        """End it and remove its directory. Safe to repeat, and after an `up` that failed or was killed."""
        if not self.directory.exists():
            return
        if not self._is_cluster():
            raise ClusterError(f"{self.directory} is not a cluster's folder")
        self.sandbox.kill()
        if self._state.exists():
            network = self.network()
            disconnect_network(network)
            remove_cgroups(network.cgroup)
        self._remove_directory()

    def status(self) -> None:
        """Print its addresses and what memory its programs use."""
        if not self.sandbox.running():
            raise ClusterError(f"no cluster runs in {self.directory}")
        say(self._state.read_text())
        for name, pids in self.sandbox.processes().items():
            say(f"{sum(map(resident_memory, pids)) / 1024:7.0f} MiB  {name}")
        say("API server ready" if self._api_ready() else "API server not ready")

    def network(self) -> Network:
        """Its addresses."""
        return Network(json.loads(self._state.read_text())["index"])

    def _is_cluster(self) -> bool:
        """Whether `up` got anywhere here; an `up` killed at its very start left only the logs' folder."""
        return self.sandbox.recorded() or {entry.name for entry in self.directory.iterdir()} <= {"logs"}

    def _remove_directory(self) -> None:
        """The folders go first: the sandbox's record stays while there is much left to remove."""
        for entry in self.directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
        shutil.rmtree(self.directory)

    def _prepare(self, programs_folder: Path) -> None:
        if not programs_folder.exists():
            raise ClusterError("the cluster's programs are not built: python -m tests.cluster build")
        if self.directory.exists() and any(self.directory.iterdir()):
            raise ClusterError(f"{self.directory} is not empty: python -m tests.cluster down {self.directory}")
        (self.directory / "logs").mkdir(parents=True)

    def _start_sandbox(self, programs_folder: Path) -> Network:
        self.sandbox.start(programs_folder)
        network = claim_network(self.sandbox)
        self._state.write_text(json.dumps(network.describe(), indent=2))
        connect_network(self.sandbox, network)
        return network

    def _start_containers(self, network: Network, pause_image: Path) -> None:
        create_cgroups(network.cgroup)
        forward_pods(self.sandbox)
        self._start("containerd", programs.containerd())
        wait_until(lambda: self._try_load_image(pause_image), "containerd to work")

    def _start_node(self, network: Network) -> None:
        kubectl = self.sandbox.enter(programs.KUBERNETES, "kubectl", "--kubeconfig=/mnt/cluster/kubeconfig")
        run(*kubectl, "create", "-f", "/mnt/cluster/bootstrap.yaml")
        self._start("kubelet", programs.kubelet(network))
        self._start("kube-scheduler", programs.scheduler())
        self._start("kube-proxy", programs.proxy())
        self._start("coredns", programs.coredns())
        self._start("metrics-server", programs.metrics_server())

    def _start(self, name: str, command: programs.Command) -> None:
        with (self.directory / "logs" / f"{name}.log").open("wb") as log:
            subprocess.Popen(
                self.sandbox.enter(*command),
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _ask_etcd(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """What etcd answers, which listens in the sandbox only."""
        ask = "import sys, urllib.request as web; print(web.urlopen(sys.argv[1], sys.argv[2].encode()).read().decode())"
        command = (sys.executable, "-c", ask, f"{ETCD}/v3/{path}", json.dumps(request))
        answer: dict[str, Any] = json.loads(run(*self.sandbox.enter_network(*command), env={"NO_PROXY": "*"}))
        return answer

    def _write_kubeconfigs(self, network: Network) -> None:
        for file, user in KUBECONFIGS.items():
            (self.directory / file).write_text(self.pki.kubeconfig(user, network.server))

    def _write_config(self, network: Network) -> None:
        values = network.values() | {"ca": self.pki.encoded("ca.crt")}
        for source in (path for path in CONFIG.rglob("*") if path.is_file()):
            target = self.directory / source.relative_to(CONFIG)
            target.parent.mkdir(exist_ok=True)
            target.write_text(Template(source.read_text()).substitute(values))

    def _try_load_image(self, archive: Path) -> bool:
        try:
            self.load_image(archive)
        except ClusterError:
            return False
        return True

    def _get(self, path: str) -> str | None:
        """What the API server answers to the administrator, or None if it is not an answer."""
        context = ssl.create_default_context(cafile=self.pki.directory / "ca.crt")
        context.load_cert_chain(self.pki.directory / "admin.crt", self.pki.directory / "admin.key")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(self.network().server + path, timeout=5) as response:
                return str(response.read(), "utf-8")
        except OSError:
            return None

    def _get_object(self, path: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._get(path) or "{}")
        return content

    def _api_ready(self) -> bool:
        return self._get("/readyz") == "ok"

    def _controllers_work(self) -> bool:
        return bool(self._get_object("/api/v1/namespaces/default/serviceaccounts/default"))

    def _services_work(self) -> bool:
        """Whether kube-proxy has written its first rules."""
        try:
            socket.create_connection((self.network().first_service, 443), timeout=0.2).close()
        except OSError:
            return False
        return True

    def _node_usable(self) -> bool:
        node = self._get_object(f"/api/v1/nodes/{NODE_NAME}")
        conditions = node.get("status", {}).get("conditions", [])
        ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
        return ready and not node["spec"].get("taints")
