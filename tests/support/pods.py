"""A gateway on a control plane without nodes: its Deployment, and pods that say what a test has them say.

The pods are real objects, made by Kubernetes' own controllers. Their status is written here, and their addresses are
those of one HTTP server in the test's process, a loopback address for each pod.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sluice_config.published import GATEWAY_LABEL, INDEX_KEY, index_name
from sluice_config.shards import Index
from tests.support.cluster import ControlPlane
from tests.support.kubernetes_api import ApiRefused, Document

GATEWAY = "sluice-gateway"
NOTHING_WRONG: Document = {"targets": [], "modelsNotOffered": [], "breakers": [], "unhealthy": [], "rejected": []}
"""A report of a pod whose targets are well."""


class Pods:
    """The pods of a namespace's gateway. ``answers`` has what one says, by its place; else it runs what it should.

    ``reports`` has what one reports of its targets; else nothing is wrong with them. ``reported``: how often it did.
    """

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane, self._namespace = plane, namespace
        self._api = plane.administrator()
        self._turn = threading.Lock()
        self.answers: dict[int, Any] = {}
        self.reports: dict[int, Any] = {}
        self.reported = 0
        self.port = 0

    def answer(self, place: int) -> Any:
        """What the pod at a place says: a document, or bytes."""
        if place in self.answers:
            return self.answers[place]
        with self._turn:
            try:
                found = self._api.get(f"/api/v1/namespaces/{self._namespace}/configmaps/{index_name(GATEWAY)}")
            except ApiRefused:
                return {"digest": None, "credentialsRevision": None, "refused": None}
        index = Index.load(found["data"][INDEX_KEY].encode())
        return {"digest": index.digest, "credentialsRevision": index.credentials_revision, "refused": None}

    def listed(self) -> list[Document]:
        """The pods that are there, in a fixed order."""
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        items: list[Document] = self._plane.api.get(path, labelSelector=f"app={GATEWAY}")["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["name"]))

    def ready(self, count: int) -> None:
        """Wait for so many pods, and let them be ready."""
        found: list[Document] = []

        def all_there() -> bool:
            found[:] = self._of_its_deployment()
            return len(found) == count

        self._plane.until(all_there, f"{count} pods")
        for place, pod in enumerate(found):
            self.set_ready(pod["metadata"]["name"], place)

    def _of_its_deployment(self) -> list[Document]:
        """Without those of one that was deleted just before, which may still be listed."""
        apps = f"/apis/apps/v1/namespaces/{self._namespace}"
        deployments = {self._plane.api.get(f"{apps}/deployments/{GATEWAY}")["metadata"]["uid"]}
        sets = {
            one["metadata"]["uid"]
            for one in self._plane.api.get(f"{apps}/replicasets")["items"]
            if _of(one, deployments)
        }
        return [pod for pod in self.listed() if _of(pod, sets)]

    def set_ready(self, name: str, place: int, status: str = "True") -> None:
        """Let one pod be ready, or not."""
        address = f"127.0.0.{place + 1}"
        condition = {"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        content = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [condition]}
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/status"
        self._plane.api.merge(path, {"status": content})

    def close(self) -> None:
        self._api.close()


def _of(found: Document, owners: set[str]) -> bool:
    return any(owner["uid"] in owners for owner in found["metadata"].get("ownerReferences", ()))


@contextlib.contextmanager
def pods_of(plane: ControlPlane, namespace: str) -> Iterator[Pods]:
    """Serve for the pods of this namespace's gateway."""
    pods = Pods(plane, namespace)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = int(self.connection.getsockname()[0].rpartition(".")[2]) - 1
            reports = self.path == "/internal/report"
            pods.reported += reports
            said = pods.reports.get(place, NOTHING_WRONG) if reports else pods.answer(place)
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(200 if reports or self.path == "/internal/config" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        pods.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield pods
        finally:
            server.shutdown()
            serving.join()
            pods.close()


def deployment(port: int = 9090, replicas: int | None = None, **annotations: str) -> Document:
    """A gateway's Deployment. With a number of replicas it has no autoscaler."""
    off = {"sluice.dev/autoscaling": "off"} if replicas is not None else {}
    labels = {"app": GATEWAY}
    container = {"name": "gateway", "image": "none", "ports": [{"name": "internal", "containerPort": port}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": GATEWAY,
            "labels": {GATEWAY_LABEL: GATEWAY, "app.kubernetes.io/instance": "installed-by-a-tool"},
            "annotations": {
                **off,
                **{f"sluice.dev/{name.replace('_', '-')}": text for name, text in annotations.items()},
            },
        },
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
