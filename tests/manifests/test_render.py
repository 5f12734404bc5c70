"""What kustomize makes of the manifests, looked at without a cluster."""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice_config.published import (
    GATEWAY_LABEL,
    PLACES,
    callers_name,
    credentials_name,
    index_name,
    shard_name,
)
from sluice_gateway.settings import Settings, StateAddress
from sluice_gateway.sources.volume import shard_file
from tests.support.cluster import available_programs

pytestmark = pytest.mark.slow

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = ("default", "namespaced", "gke-autopilot")
ALL_OF_IT = """
namespace: elsewhere
resources: [{manifests}/overlays/gke-autopilot]
components: [{manifests}/components/gke-ingress, {manifests}/components/service-monitor]
images: [{{name: sluice-gateway, newName: registry.example/sluice-gateway, newTag: "2"}}]
"""
CPU = {"m": 0.001, "": 1.0}
MEMORY = {"Gi": 1024.0, "Mi": 1.0}  # in MiB

Document = dict[str, Any]
Render = Callable[[Path], list[Document]]


@pytest.fixture(scope="module")
def render() -> Render:
    """The objects of a folder, made once for all tests."""
    kubectl = available_programs(os.environ) / "kubectl"

    @cache
    def rendered(folder: Path) -> list[Document]:
        command: list[str | Path] = [kubectl, "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return list(yaml.safe_load_all(done.stdout))

    return rendered


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay of a user's own, with every component."""
    folder = tmp_path_factory.mktemp("everything")
    manifests = os.path.relpath(MANIFESTS, folder)
    (folder / "kustomization.yaml").write_text(ALL_OF_IT.format(manifests=manifests))
    return folder


def workloads(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Name and pod template's spec."""
    for document in documents:
        if document["kind"] in ("Deployment", "StatefulSet"):
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def amount(text: str, units: dict[str, float]) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * units[unit]


def of(documents: list[Document], kind: str, name: str) -> Document:
    [found] = [one for one in documents if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def test_a_gateway_mounts_all_that_the_operator_publishes(render: Render) -> None:
    documents = render(MANIFESTS / "overlays" / "default")
    deployment = of(documents, "Deployment", "sluice-gateway")
    gateway = deployment["metadata"]["labels"][GATEWAY_LABEL]
    assert "replicas" not in deployment["spec"]  # they are the autoscaler's
    config, *secrets = deployment["spec"]["template"]["spec"]["volumes"]
    sources = [source["configMap"] for source in config["projected"]["sources"]]
    assert all(source["optional"] for source in sources)
    items = {source["name"]: [(item["key"], item["path"]) for item in source["items"]] for source in sources}
    expected = {index_name(gateway): [("index.json", "index.json")]}
    assert items == expected | {shard_name(gateway, one): [("shard.json.gz", shard_file(one))] for one in PLACES}
    names = [volume["secret"]["secretName"] for volume in secrets if volume["secret"]["optional"]]
    assert names == [credentials_name(gateway), callers_name(gateway), f"{gateway}-admin"]


def test_a_gateway_reads_its_admin_token_where_its_secret_is_mounted(render: Render) -> None:
    spec = dict(workloads(render(MANIFESTS / "overlays" / "default")))["sluice-gateway"]
    [container] = spec["containers"]
    [file] = [one["value"] for one in container["env"] if one["name"] == "SLUICE_ADMIN_TOKEN_FILE"]
    [mount] = [one for one in container["volumeMounts"] if one["name"] == "admin"]
    assert (file, mount["readOnly"]) == (f"{mount['mountPath']}/token", True)


@pytest.mark.parametrize(("whole", "seconds"), [(False, 5), (True, 60)])
def test_a_gateway_has_time_to_end_its_streams(render: Render, everything: Path, whole: bool, seconds: int) -> None:
    """A node is told within seconds that a pod ends, a load balancer of Google's within a minute."""
    spec = dict(workloads(render(everything if whole else MANIFESTS / "overlays" / "default")))["sluice-gateway"]
    [container] = spec["containers"]
    drain = next(int(one["value"]) for one in container["env"] if one["name"] == "SLUICE_DRAIN_SECONDS")
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == seconds
    assert spec["terminationGracePeriodSeconds"] >= seconds + drain + 10


def test_the_operator_reaches_gateways_of_any_name(render: Render) -> None:
    """By the label that makes a Deployment a gateway; its pods have it too."""
    documents = render(MANIFESTS / "overlays" / "default")
    [selector] = [
        peer["podSelector"]["matchExpressions"]
        for rule in of(documents, "NetworkPolicy", "sluice-operator")["spec"]["egress"]
        for peer in rule.get("to", ())
    ]
    assert selector == [{"key": GATEWAY_LABEL, "operator": "Exists"}]
    deployment = of(documents, "Deployment", "sluice-gateway")
    assert GATEWAY_LABEL in deployment["spec"]["template"]["metadata"]["labels"]


def test_nobody_calls_himself_prometheus(render: Render, everything: Path) -> None:
    [rule] = of(render(everything), "NetworkPolicy", "sluice-metrics")["spec"]["ingress"]
    [peer] = rule["from"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_workload_has_what_keeps_it_running(render: Render, overlay: str) -> None:
    documents = render(MANIFESTS / "overlays" / overlay)
    policies = {
        one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for one in documents
        if one["kind"] == "NetworkPolicy"
    }
    for name, spec in workloads(documents):
        assert name in policies, "no network policy"
        for container in spec["containers"]:
            assert {"livenessProbe", "readinessProbe"} <= container.keys(), name
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            limits, requests = container["resources"]["limits"], container["resources"]["requests"]
            assert limits["memory"] == requests["memory"], name
            assert "cpu" not in limits, name
    for name in ("sluice-gateway", "sluice-operator"):
        assert of(documents, "PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1


def test_autopilot_takes_the_requests_as_they_are(render: Render) -> None:
    """Its general-purpose class: at least 50m and 52 MiB, and 1 to 6.5 GiB for each CPU."""
    for name, spec in workloads(render(MANIFESTS / "overlays" / "gke-autopilot")):
        requests = [container["resources"]["requests"] for container in spec["containers"]]
        cpus = sum(amount(one["cpu"], CPU) for one in requests)
        memory = sum(amount(one["memory"], MEMORY) for one in requests)
        assert cpus >= 0.05, name
        assert memory >= 52, name
        assert 1 <= memory / 1024 / cpus <= 6.5, name


def test_another_namespace_and_registry_reach_everything(render: Render, everything: Path) -> None:
    documents = render(everything)
    assert "sluice-system" not in yaml.safe_dump_all(documents)
    kinds = {one["kind"] for one in documents}
    assert {"ServiceMonitor", "Ingress", "BackendConfig", "ManagedCertificate"} <= kinds
    image = dict(workloads(documents))["sluice-gateway"]["containers"][0]["image"]
    assert image == "registry.example/sluice-gateway:2"
    subjects = [subject for one in documents for subject in one.get("subjects", ())]
    assert {subject["namespace"] for subject in subjects} == {"elsewhere"}


def test_monitors_find_a_port_of_each_name(render: Render, everything: Path) -> None:
    documents = render(everything)
    for monitor in (one for one in documents if one["kind"] == "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        services = [
            one for one in documents if one["kind"] == "Service" and wanted <= one["metadata"]["labels"].items()
        ]
        [service] = services
        [endpoint], [port] = monitor["spec"]["endpoints"], service["spec"]["ports"]
        assert endpoint["port"] == port["name"]
        pod = dict(workloads(documents))[service["spec"]["selector"]["app.kubernetes.io/name"]]
        assert port["targetPort"] in [one["name"] for one in pod["containers"][0]["ports"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_gateways_reach_the_state_redis_where_there_is_one(render: Render, overlay: str) -> None:
    """By its Service, with the password that a Secret may hold, through both network policies."""
    documents = render(MANIFESTS / "overlays" / overlay)
    [container] = dict(workloads(documents))["sluice-gateway"]["containers"]
    settings = Settings.read({one["name"]: one["value"] for one in container["env"] if "value" in one})
    if overlay == "namespaced":
        assert settings.state is None
        return
    service = of(documents, "Service", "sluice-state")
    assert settings.state == StateAddress(host=service["metadata"]["name"], port=service["spec"]["ports"][0]["port"])
    [password] = [one["valueFrom"] for one in container["env"] if one["name"] == "SLUICE_STATE_PASSWORD"]
    [secret] = [one["secret"] for one in dict(workloads(documents))["sluice-state"]["volumes"] if "secret" in one]
    assert password == {"secretKeyRef": {"name": secret["secretName"], "key": "password", "optional": True}}
    [rule] = of(documents, "NetworkPolicy", "sluice-state")["spec"]["ingress"]
    labels = of(documents, "Deployment", "sluice-gateway")["spec"]["template"]["metadata"]["labels"].items()
    assert rule["from"][0]["podSelector"]["matchLabels"].items() <= labels
    assert "Egress" not in of(documents, "NetworkPolicy", "sluice-gateway")["spec"]["policyTypes"]
