"""The keys and certificates of a cluster."""

import base64
import json
from pathlib import Path

from tests.cluster.network import Network
from tests.cluster.shell import run

NODE_NAME = "node1"
CURVE = ("-pkeyopt", "ec_paramgen_curve:P-256")


class Pki:
    """The keys and certificates of one cluster, made with the openssl command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, network: Network) -> None:
        """Make all that the cluster's programs need."""
        self.directory.mkdir()
        (self.directory / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
        self._authority("ca")
        self._authority("front-proxy-ca")
        self.server("apiserver", apiserver_names(network))
        self.server("node", f"DNS:localhost,DNS:{NODE_NAME},IP:127.0.0.1,IP:{network.gateway}")
        self._client("admin", "sluice-test:admin", "system:masters")
        self._client("kubelet-client", "sluice-test:kubelet-client")
        self._client("front-proxy-client", "front-proxy-client", authority="front-proxy-ca")
        self._client("kubelet", f"system:node:{NODE_NAME}", "system:nodes")
        self.server("metrics-server", "DNS:metrics-server.kube-system.svc")
        self._client("metrics-client", "sluice-test:metrics-server")
        self._client("coredns", "sluice-test:coredns")
        for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
            self._client(name, f"system:{name}")
        self._service_account_keys()

    def server(self, name: str, alternative_names: str) -> None:
        """Make NAME.crt and NAME.key for a server; the names as openssl writes them, such as DNS:a.b,IP:127.0.0.1."""
        extensions = ("extendedKeyUsage=serverAuth", f"subjectAltName={alternative_names}")
        self._certificate(name, f"/CN={name}", *extensions, authority="ca")

    def kubeconfig(self, user: str, server: str) -> str:
        """A kubeconfig that holds its certificates, so that it can be copied anywhere."""
        cluster = {"server": server, "certificate-authority-data": self.encoded("ca.crt")}
        credentials = {
            "client-certificate-data": self.encoded(f"{user}.crt"),
            "client-key-data": self.encoded(f"{user}.key"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sluice-test", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "sluice-test", "context": {"cluster": "sluice-test", "user": user}}],
            "current-context": "sluice-test",
        }
        return json.dumps(config, indent=2)

    def encoded(self, name: str) -> str:
        """A file of the folder in base64."""
        return base64.b64encode((self.directory / name).read_bytes()).decode()

    def _authority(self, name: str) -> None:
        constraints = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        self._certificate(name, f"/CN=sluice-test {name}", *constraints)

    def _client(self, name: str, user: str, group: str | None = None, authority: str = "ca") -> None:
        subject = f"/O={group}/CN={user}" if group else f"/CN={user}"
        self._certificate(name, subject, "extendedKeyUsage=clientAuth", authority=authority)

    def _certificate(self, name: str, subject: str, *extensions: str, authority: str | None = None) -> None:
        command = ["openssl", "req", "-x509", "-config", "openssl.cnf", "-days", "3650", "-subj", subject, "-nodes"]
        command += ["-newkey", "ec", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        for extension in extensions:
            command += ["-addext", extension]
        if authority:
            command += ["-CA", f"{authority}.crt", "-CAkey", f"{authority}.key"]
        run(*command, cwd=self.directory)

    def _service_account_keys(self) -> None:
        private, public = "service-account.key", "service-account.pub"
        run("openssl", "genpkey", "-algorithm", "EC", *CURVE, "-out", private, cwd=self.directory)
        run("openssl", "pkey", "-in", private, "-pubout", "-out", public, cwd=self.directory)


def apiserver_names(network: Network) -> str:
    """The names and addresses under which the API server is called."""
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names.append("kubernetes.default.svc.cluster.local")
    addresses = ("127.0.0.1", network.gateway, network.first_service)
    return ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
