"""The addresses of a cluster and its only link to this machine."""

import ipaddress
import os
import subprocess
from dataclasses import dataclass

from tests.cluster.sandbox import Sandbox
from tests.cluster.shell import ClusterError, run

MAX_CLUSTERS = 32
FIRST_BLOCK = 208  # cluster 0 has 10.208.0.0/16
BRIDGE_HARDWARE_ADDRESS = "02:00:00:00:00:01"


@dataclass(frozen=True)
class Network:
    """The addresses of the cluster with this index; no two clusters share any."""

    index: int

    @property
    def link(self) -> str:
        """This machine's end of the link to the sandbox."""
        return f"sluice{self.index}"

    @property
    def cgroup(self) -> str:
        """The control group that all pods are in."""
        return f"sluice{self.index}"

    @property
    def block(self) -> str:
        """The two bytes that all addresses begin with."""
        return f"10.{FIRST_BLOCK + self.index}"

    @property
    def cidr(self) -> str:
        return f"{self.block}.0.0/16"

    @property
    def pod_cidr(self) -> str:
        return f"{self.block}.0.0/20"

    @property
    def service_cidr(self) -> str:
        return f"{self.block}.64.0/20"

    @property
    def gateway(self) -> str:
        """The node's own address, on the pods' bridge."""
        return str(ipaddress.ip_network(self.pod_cidr)[1])

    @property
    def first_service(self) -> str:
        """The address of the `kubernetes` Service."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def host(self) -> str:
        """This machine's address as the cluster sees it."""
        return f"{self.block}.255.1"

    @property
    def uplink(self) -> str:
        """The sandbox's end of the link to this machine."""
        return f"{self.block}.255.2"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.gateway}:6443"

    def describe(self) -> dict[str, str | int]:
        """What a test has to know; the index alone would be enough to find the rest."""
        return {"index": self.index, "server": self.server, "host": self.host, "dns": self.gateway, "cidr": self.cidr}

    def values(self) -> dict[str, str]:
        """The variables of the configuration files."""
        return {
            "cgroup": f"/{self.cgroup}",
            "gateway": self.gateway,
            "pod_cidr": self.pod_cidr,
            "cluster_cidr": self.cidr,
        }


def claim_network(sandbox: Sandbox) -> Network:
    """Link the sandbox to this machine. The first free link decides the addresses.

    The link is made by the sandbox's side, so that it dies with the sandbox.
    """
    for index in range(MAX_CLUSTERS):
        network = Network(index)
        link = ("ip", "link", "add", "uplink", "type", "veth", "peer", "name", network.link, "netns", str(os.getpid()))
        if subprocess.run(sandbox.enter_network(*link), capture_output=True, check=False).returncode == 0:
            return network
    raise ClusterError(f"no free index: {MAX_CLUSTERS} clusters run, or links cannot be made")


def connect_network(sandbox: Sandbox, network: Network) -> None:
    """Give both ends their addresses and routes: enough for this machine to reach the API server, and the reverse."""
    # A stray packet to a cluster that is gone must not leave by the default route.
    # The link is ours alone, so a route that is there was left by a cluster that was killed.
    run("ip", "route", "replace", "unreachable", network.cidr, "metric", "4096")
    run("ip", "address", "add", network.host, "peer", network.uplink, "dev", network.link)
    run("ip", "link", "set", network.link, "up")
    run("ip", "route", "add", network.cidr, "via", network.uplink)
    # With no address of its own the bridge would take the lowest one of its
    # pods: pods that come and go would then cut the others off for seconds.
    inside = f"""
set -eu
ip link set lo up
ip link add pods address {BRIDGE_HARDWARE_ADDRESS} type bridge
ip address add {network.gateway}/20 dev pods
ip address add {network.uplink} peer {network.host} dev uplink
ip link set pods up
ip link set uplink up
ip route add {network.service_cidr} dev pods
ip route add unreachable {network.cidr} metric 4096
"""
    run(*sandbox.enter("sh", "-c", inside))


def forward_pods(sandbox: Sandbox) -> None:
    """Let the sandbox's kernel pass on what pods send; Services need pods on one bridge to go through its firewall."""
    switches = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")
    run(*sandbox.enter("sh", "-euc", "\n".join(f"echo 1 > /proc/sys/{switch}" for switch in switches)))


def disconnect_network(network: Network) -> None:
    """Remove what outlives the sandbox; safe to repeat."""
    for command in (("link", "delete", network.link), ("route", "delete", "unreachable", network.cidr)):
        subprocess.run(("ip", *command), capture_output=True, check=False)
