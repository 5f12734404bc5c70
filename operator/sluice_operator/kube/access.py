"""Where the API server is, and with which credentials it is asked."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import kopf
import yaml

from sluice_operator.errors import InvalidSetting

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts a pod's token and the API server's CA."""


class Connection(kopf.ConnectionInfo):
    """kopf's, which knows how to make headers and TLS of credentials."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """Checks certificates as strictly as Go does, and Python before 3.13: many clusters' CAs lack what the newer
        default asks for (RFC 5280's key identifiers).
        """
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


class Access:
    """The way to the API server. A token in a file is read again for each request, as the kubelet rotates it."""

    def __init__(self, connection: Connection, token_file: Path | None = None) -> None:
        self._connection = connection
        self._token_file = token_file

    @classmethod
    def find(cls, kubeconfig: Path | None, environ: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Self:
        """Read a kubeconfig, or without one the pod's ServiceAccount. Raises InvalidSetting."""
        if kubeconfig is not None:
            return cls._from_file(kubeconfig)
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host or not (account / "token").exists():
            raise InvalidSetting("not in a pod, and no kubeconfig given")
        server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        return cls(Connection(server=server, ca_path=account / "ca.crt"), account / "token")

    @classmethod
    def _from_file(cls, file: Path) -> Self:
        try:
            config = yaml.safe_load(file.read_text(encoding="utf-8"))
            context = _named(config, "context", config["current-context"])
            cluster = _named(config, "cluster", context["cluster"])
            user = _named(config, "user", context["user"])
            server: str = cluster["server"]
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError) as error:
            raise InvalidSetting(f"kubeconfig {file}: {type(error).__name__}: it can't be read") from error
        if {"exec", "auth-provider"} & user.keys():
            raise InvalidSetting(f"kubeconfig {file}: users with exec or auth-provider are not served: give a token")
        connection = Connection(
            server=server.rstrip("/"),
            ca_path=_beside(file, cluster.get("certificate-authority")),
            ca_data=cluster.get("certificate-authority-data"),
            insecure=cluster.get("insecure-skip-tls-verify"),
            token=user.get("token"),
            certificate_path=_beside(file, user.get("client-certificate")),
            certificate_data=user.get("client-certificate-data"),
            private_key_path=_beside(file, user.get("client-key")),
            private_key_data=user.get("client-key-data"),
        )
        return cls(connection, _beside(file, user.get("tokenFile")))

    @property
    def server(self) -> str:
        """The API server's URL, without a slash at its end."""
        return self._connection.server

    def connection(self) -> Connection:
        """What to connect with, as of now. Raises OSError when the token can't be read."""
        if self._token_file is None:
            return self._connection
        return replace(self._connection, token=self._token_file.read_text(encoding="ascii").strip())

    def ssl_context(self) -> ssl.SSLContext | bool:
        """How to check who the server is. Raises InvalidSetting."""
        try:
            return self._connection.as_ssl_context()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise InvalidSetting(f"the certificates for {self.server} can't be used: {error}") from error


def _named(config: Any, kind: str, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [entry[kind] for entry in config[f"{kind}s"] if entry["name"] == name]
    return found[0] or {}


def _beside(file: Path, path: str | None) -> Path | None:
    """Paths are meant from the folder of the kubeconfig."""
    return file.parent / path if path else None
