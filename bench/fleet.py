"""A gateway of three pods in a namespace of its own, and the operator that serves it.

There is no node: the pods are objects with a status that says that they run, and each has a gateway process here, which
knows the API server only by the rights of a pod. The operator is a process with its rights, too.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import yaml

from bench.api_traffic import Traffic
from bench.contenders import sluice
from bench.measured import Measured, free_port
from tests.support.cluster import ControlPlane
from tests.support.operator import Operator, kubeconfig, running, token_for
from tests.support.pods import Pods, deployment
from tests.support.published import rules

PODS = 3
ROUTES = "/apis/sluice.dev/v1alpha1/namespaces/{}/modelroutes"


class Fleet:
    """Running until the stack closes. ``gateways`` serve nothing before the operator has started."""

    def __init__(self, plane: ControlPlane, folder: Path, stack: ExitStack) -> None:
        self.plane, self.folder, self._stack = plane, folder, stack
        self.namespace = plane.new_namespace("bench")
        self.routes_path = ROUTES.format(self.namespace)
        self._own = Traffic()
        token = folder / "token"
        token.write_text(plane.token(self.namespace, "gateway", rules()))
        internal = free_port()
        self.gateways = [self._gateway(number, token, internal) for number in range(1, PODS + 1)]
        plane.apply(deployment(internal, PODS), namespace=self.namespace)
        with closing(Pods(plane, self.namespace)) as pods:
            pods.ready(PODS)
        self._config = kubeconfig(plane, token_for(plane, self.namespace), folder)

    def configure(self, upstream_port: int, routes: Sequence[str]) -> None:
        """Apply a provider, its key, a caller's key, and so many routes."""
        files = sluice.write_configuration(self.folder / "configuration", upstream_port)
        self.plane.kubectl(
            "apply",
            "--server-side",
            f"--namespace={self.namespace}",
            "-f",
            files / "secrets.yaml",
            "-f",
            files / "provider.yaml",
        )
        for name in routes:
            self.change(name, "gpt-4o-mini")

    def change(self, route: str, target: str) -> int:
        """Send a route's model to this target; the route's new generation."""
        document: dict[str, Any] = yaml.safe_load(sluice.route(route, target))
        self._own.writes["modelroutes"] += 1
        self._own.written_bytes["modelroutes"] += len(json.dumps(document))
        generation = self.plane.api.apply(f"{self.routes_path}/{route}", document)["metadata"]["generation"]
        assert isinstance(generation, int)
        return generation

    def operate(self) -> Operator:
        """Start the operator; returns once it listens."""
        return self._stack.enter_context(running(self._config, self.namespace, self.folder))

    def traffic(self) -> Traffic:
        """What the API server has counted so far, without what ``change`` has written."""
        return Traffic.parse(self.plane.kubectl("get", "--raw", "/metrics")) - self._own

    def _gateway(self, number: int, token: Path, internal: int) -> Measured:
        port = free_port()
        options = {
            "--listen": f"127.0.0.1:{port}",
            "--internal-listen": f"127.0.0.{number}:{internal}",
            "--volume": str(self.folder / "nothing-is-mounted"),
            "--kube-api": self.plane.server,
            "--kube-token-file": str(token),
            "--kube-ca-file": str(self.plane.ca_file),
        }
        command = [str(Path(sys.executable).parent / "sluice"), "gateway", *sum(options.items(), ())]
        environ = {**sluice.environ(self.folder / "home"), "SLUICE_NAMESPACE": self.namespace}
        output = self.folder / f"gateway-{number}.log"
        process = Measured(command, port=port, output=output, core=None, environ=environ)
        return self._stack.enter_context(process).wait_until_listening()
