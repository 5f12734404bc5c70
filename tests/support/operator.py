"""``sluice-operator`` as a process of its own, with the rights that manifests give it, beside a real API server."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import ControlPlane
from tests.support.kubernetes_api import Document
from tests.support.warm import Forked, Warm

PROGRAM = Path(sys.executable).with_name("sluice-operator")
PATIENCE = 60.0
MANIFESTS = Path(__file__).parents[2] / "manifests"


def _rules(file: str, role: str) -> list[Document]:
    """The rules of a role as users install it."""
    documents = yaml.safe_load_all((MANIFESTS / file).read_text(encoding="utf-8"))
    [found] = [one for one in documents if one["kind"] in ("Role", "ClusterRole") and one["metadata"]["name"] == role]
    rules: list[Document] = found["rules"]
    return rules


OPERATOR_RULES, WRITER_RULES, CREDENTIALS_RULES, LEADER_RULES = (
    _rules("base/operator/access.yaml", role)
    for role in ("sluice-operator", "sluice-gateway-writer", "sluice-credentials", "sluice-operator-leader")
)
CLUSTER_RULES = OPERATOR_RULES + _rules("components/cluster-wide/access.yaml", "sluice-operator-cluster")


@dataclass
class Operator:
    """A running operator. ``log`` is the file of its standard error."""

    process: subprocess.Popen[bytes] | Forked
    log: Path
    port: int = 0
    _read: int = field(default=0, repr=False)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All whole lines that were logged."""
        whole, _, _ = self.log.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def logged(self, event: str, within: float = PATIENCE) -> dict[str, Any]:
        """Wait for a line; the first one."""
        deadline = time.monotonic() + within
        while True:
            found = [line for line in self.lines if line["event"] == event]
            if found:
                return found[0]
            assert self.process.poll() is None, f"ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"not within {within} s: {event}: {self.log.read_text()}"
            time.sleep(0.02)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of one of its own paths."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def writes(self) -> dict[str, int]:
        """How many objects it has written, by kind."""
        found = re.findall(r'^sluice_operator_writes_total{kind="(\w+)"} (\S+)$', self.get("/metrics")[1], re.MULTILINE)
        return {kind: int(float(count)) for kind, count in found}

    def ended(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def token_for(plane: ControlPlane, namespace: str, *, whole_cluster: bool = False, credentials: bool = True) -> str:
    """A token with the rights of an operator of this one namespace."""
    rules = [*WRITER_RULES, *LEADER_RULES, *(CREDENTIALS_RULES if credentials else ())]
    if whole_cluster:
        return plane.token(namespace, "sluice-operator", rules, CLUSTER_RULES)
    return plane.token(namespace, "sluice-operator", [*rules, *OPERATOR_RULES])


def kubeconfig(plane: ControlPlane, token: str, folder: Path, name: str = "one", server: str = "") -> Path:
    """A file with the way to the API server and this token."""
    cluster = {"server": server or plane.server, "certificate-authority": str(plane.ca_file)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": token}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    file = folder / f"{name}.kubeconfig"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@contextlib.contextmanager
def running(
    config: Path, namespace: str, folder: Path, name: str = "one", warm: Warm | None = None, **environ: str
) -> Iterator[Operator]:
    """Run one replica, for this namespace unless SLUICE_NAMESPACES says otherwise; killed in the end.

    It is the installed program, or comes from who is ``warm``.
    """
    log = folder / f"{name}.log"
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")},
        "HOSTNAME": name,
        "SLUICE_NAMESPACE": namespace,
        "SLUICE_NAMESPACES": namespace,
        "SLUICE_LISTEN": "127.0.0.1:0",
        "KUBECONFIG": str(config),
        **environ,
    }
    with log.open("wb") as stderr:
        process = warm.start(env, stderr) if warm else subprocess.Popen([PROGRAM], env=env, stderr=stderr)
    operator = Operator(process, log)
    try:
        operator.port = operator.logged("listening")["port"]
        yield operator
    finally:
        process.kill()
        process.wait(PATIENCE)
