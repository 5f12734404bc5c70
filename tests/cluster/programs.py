"""The command lines of the programs, with paths as the sandbox sees them."""

import os
import sysconfig
from pathlib import Path

from tests.cluster.network import Network
from tests.cluster.pki import NODE_NAME

Command = list[str]

PROGRAMS = Path("/mnt/programs")  # where a sandbox sees them; its cluster's directory is /mnt/cluster
KUBERNETES = str(PROGRAMS / "kubernetes")
DEBIAN = PROGRAMS / "debian"

# Pulling an image must fail at once instead of leaving the machine.
NO_PULLS = {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": ""}


def environment() -> dict[str, str]:
    """Debian's unpacked programs and libraries come first; nothing else is inherited."""
    return {
        "PATH": f"{DEBIAN}/usr/sbin:{DEBIAN}/usr/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{DEBIAN}/usr/lib/{sysconfig.get_config_var('MULTIARCH')}",
    }


def containerd() -> Command:
    proxies = [f"{name}={value}" for name, value in NO_PULLS.items()]
    return ["env", *proxies, "containerd", "--config=/mnt/cluster/containerd.toml"]


def import_image() -> Command:
    """Reads an image archive from standard input."""
    return ["ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "-"]


def etcd() -> Command:
    client = "http://127.0.0.1:2379"
    return [
        KUBERNETES,
        "etcd",
        "--data-dir=/mnt/cluster/etcd",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        "--listen-peer-urls=http://127.0.0.1:2380",
    ]


def apiserver(network: Network) -> Command:
    return [
        KUBERNETES,
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={network.gateway}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={network.service_cidr}",
        "--allow-privileged",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--disable-admission-plugins=TaintNodesByCondition",
        "--client-ca-file=/mnt/cluster/pki/ca.crt",
        "--tls-cert-file=/mnt/cluster/pki/apiserver.crt",
        "--tls-private-key-file=/mnt/cluster/pki/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--service-account-key-file=/mnt/cluster/pki/service-account.pub",
        "--service-account-signing-key-file=/mnt/cluster/pki/service-account.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-certificate-authority=/mnt/cluster/pki/ca.crt",
        "--kubelet-client-certificate=/mnt/cluster/pki/kubelet-client.crt",
        "--kubelet-client-key=/mnt/cluster/pki/kubelet-client.key",
        "--enable-aggregator-routing",
        "--proxy-client-cert-file=/mnt/cluster/pki/front-proxy-client.crt",
        "--proxy-client-key-file=/mnt/cluster/pki/front-proxy-client.key",
        "--requestheader-client-ca-file=/mnt/cluster/pki/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    ]


def controller_manager() -> Command:
    return [
        KUBERNETES,
        "kube-controller-manager",
        *loopback_component("kube-controller-manager"),
        "--use-service-account-credentials",
        "--root-ca-file=/mnt/cluster/pki/ca.crt",
        "--service-account-private-key-file=/mnt/cluster/pki/service-account.key",
        "--cluster-signing-cert-file=/mnt/cluster/pki/ca.crt",
        "--cluster-signing-key-file=/mnt/cluster/pki/ca.key",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--node-monitor-period=1s",
        "--horizontal-pod-autoscaler-sync-period=2s",
    ]


def scheduler() -> Command:
    return [KUBERNETES, "kube-scheduler", *loopback_component("kube-scheduler")]


def loopback_component(name: str) -> Command:
    kubeconfig = f"/mnt/cluster/{name}.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--tls-cert-file=/mnt/cluster/pki/node.crt",
        "--tls-private-key-file=/mnt/cluster/pki/node.key",
        "--leader-elect=false",
    ]


def kubelet(network: Network) -> Command:
    return [
        KUBERNETES,
        "kubelet",
        "--config=/mnt/cluster/kubelet.yaml",
        "--kubeconfig=/mnt/cluster/kubelet.kubeconfig",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={network.gateway}",
    ]


def proxy() -> Command:
    return [KUBERNETES, "kube-proxy", "--config=/mnt/cluster/kube-proxy.yaml"]


def coredns() -> Command:
    return [KUBERNETES, "coredns", "-conf=/mnt/cluster/Corefile"]


def metrics_server() -> Command:
    kubeconfig = "/mnt/cluster/metrics-server.kubeconfig"
    return [
        KUBERNETES,
        "metrics-server",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--secure-port=4443",
        "--tls-cert-file=/mnt/cluster/pki/metrics-server.crt",
        "--tls-private-key-file=/mnt/cluster/pki/metrics-server.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-certificate-authority=/mnt/cluster/pki/ca.crt",
        "--kubelet-client-certificate=/mnt/cluster/pki/metrics-client.crt",
        "--kubelet-client-key=/mnt/cluster/pki/metrics-client.key",
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",
    ]
