"""Settings of the operator process: flags of the command, else ``SLUICE_*`` variables, else the defaults here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sluice_operator.errors import InvalidSetting
from sluice_operator.telemetry.log import LEVELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the operator runs.

    ``namespaces`` are those that it serves, None for all; ``namespace`` is its own, where its Lease is. ``host`` and
    ``port`` are where probes and metrics are served; an empty host means all interfaces. ``identity`` is the name of
    this replica. Without a ``kubeconfig`` it is in a pod.
    """

    namespaces: tuple[str, ...] | None = None
    namespace: str = "sluice-system"
    host: str = ""
    port: int = 8080
    identity: str = "sluice-operator"
    kubeconfig: Path | None = None
    log_level: str = "info"

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str],
        *,
        namespaces: str | None = None,
        listen: str | None = None,
        kubeconfig: Path | None = None,
    ) -> Self:
        """Read ``environ``; arguments that are not None win. Raises InvalidSetting."""
        default = cls()
        level = environ.get("SLUICE_LOG_LEVEL", default.log_level).lower()
        if level not in LEVELS:
            raise InvalidSetting(f"SLUICE_LOG_LEVEL: {level!r} is none of {', '.join(LEVELS)}")
        served = environ.get("SLUICE_NAMESPACES", "") if namespaces is None else namespaces
        host, port = _address(listen or environ.get("SLUICE_LISTEN") or f":{default.port}")
        config = environ.get("KUBECONFIG")
        return cls(
            namespaces=tuple(sorted({name.strip() for name in served.split(",") if name.strip()})) or None,
            namespace=environ.get("SLUICE_NAMESPACE") or default.namespace,
            host=host,
            port=port,
            identity=environ.get("HOSTNAME") or default.identity,
            kubeconfig=kubeconfig or (Path(config) if config else None),
            log_level=level,
        )


def _address(text: str) -> tuple[str, int]:
    """``host:port``, ``:port`` or ``[v6]:port``."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise InvalidSetting(f"listen address: {text!r} is not HOST:PORT or :PORT")
    return host.strip("[]"), int(port)
