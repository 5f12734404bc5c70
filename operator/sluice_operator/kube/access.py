"""Where the API server is, and with which credentials it is asked."""

from pathlib import Path
from typing import Self

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from sluice_operator.errors import InvalidSetting


class Access:
    """The way to the API server. In a pod its token is read again as it rotates."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration

    @classmethod
    async def find(cls, kubeconfig: Path | None) -> Self:
        """Read a kubeconfig, or without one the pod's ServiceAccount. Raises InvalidSetting."""
        configuration = Configuration()
        try:
            if kubeconfig is None:
                load_incluster_config(client_configuration=configuration)
            else:
                await load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
        except ConfigException as error:
            where = f"kubeconfig {kubeconfig}" if kubeconfig else "not in a pod, and no kubeconfig given"
            raise InvalidSetting(f"{where}: {error}") from error
        # A path's parts are checked names; "/" between them is ours.
        configuration.safe_chars_for_path_param = "/"
        return cls(configuration)

    async def authorization(self) -> str | None:
        """The value of the header of that name, as of now; None with a client certificate."""
        header: str | None = await self.configuration.get_api_key_with_prefix("BearerToken")
        return header
