"""Each overlay on a bare cluster: applied twice, looked at, taken away again. The tests of an overlay are one story."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import ControlPlane, KubectlFailed
from tests.support.kubernetes_api import Api, ApiRefused, Document

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "sluice-system"
OWN_BUSINESS = {"authentication.k8s.io", "authorization.k8s.io"}  # asking who one is, which everybody may
SHARDS = [f"sluice-gateway-config-{number}-{slot}" for number in range(4) for slot in "ab"]
KINDS = ["modelroutes", "providerpolicies", "cachepolicies"]
COMES_BY_ITSELF = ("event", "lease.coordination", "endpointslice", "kube-root-ca.crt")

Rule = tuple[str, str, tuple[str, ...], tuple[str, ...]]


class Installed:
    """An overlay in a cluster."""

    def __init__(self, plane: ControlPlane, overlay: str) -> None:
        self.plane = plane
        self.folder = MANIFESTS / "overlays" / overlay

    def kubectl(self, *arguments: str | Path) -> str:
        return self.plane.kubectl(*arguments, within=300)

    def account(self, name: str) -> Api:
        """A client with the token that a pod of this ServiceAccount gets."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token"
        return self.plane.as_bearer(self.plane.api.create(path, {"spec": {}})["status"]["token"])

    def generations(self) -> dict[str, str]:
        """How often each of its objects was changed, by kind and name; those without a status change with any write."""
        found = yaml.safe_load(self.kubectl("get", "-k", self.folder, "-o", "yaml"))["items"]
        return {
            f"{one['kind']}/{one['metadata']['name']}": one["metadata"].get("generation")
            or one["metadata"]["resourceVersion"]
            for one in found
            if one["kind"] != "Namespace"
        }

    def inventory(self) -> set[str]:
        """Every object in the cluster, as kind/name."""
        kinds = self.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        found = self.kubectl("get", ",".join(kinds), "--all-namespaces", "-o", "name", "--ignore-not-found").split()
        return {name for name in found if not name.startswith(COMES_BY_ITSELF) and "kube-root-ca.crt" not in name}

    def holds(self, wanted: set[str]) -> bool:
        """Whether these are the objects in the cluster. While kinds go away, kubectl may ask for one that is gone."""
        try:
            return self.inventory() == wanted
        except KubectlFailed:
            return False


@pytest.fixture(scope="module", params=["default", "namespaced", "gke-autopilot"])
def installed(request: pytest.FixtureRequest, bare: ControlPlane) -> Iterator[Installed]:
    """The overlay, applied; afterwards nothing of it is left."""
    one = Installed(bare, request.param)
    before = one.inventory()
    one.kubectl("apply", "-k", one.folder)
    yield one
    one.kubectl("delete", "-k", one.folder, "--timeout=280s")
    bare.until(lambda: one.holds(before), "nothing of it is left", within=180)  # tenants, too, that a test has ended


def rules(account: Api, namespace: str) -> set[Rule]:
    """What the API server says that the account may: group, resource, names, verbs. `kubectl auth can-i --list` has it
    from the same place.
    """
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    review: Document = account.create(path, {"spec": {"namespace": namespace}})
    assert not review["status"]["incomplete"]
    return {
        (group, resource, tuple(sorted(rule.get("resourceNames") or ())), tuple(sorted(rule["verbs"])))
        for rule in review["status"]["resourceRules"]
        for group in rule["apiGroups"]
        if group not in OWN_BUSINESS
        for resource in rule["resources"]
    }


def test_a_second_time_changes_nothing(installed: Installed) -> None:
    """Generations are counted rather than what kubectl says: it says "configured" where list items got defaults."""
    before = installed.generations()
    assert len(before) > 20
    installed.kubectl("apply", "-k", installed.folder)
    assert installed.generations() == before
    assert installed.kubectl("diff", "-k", installed.folder) == ""


def test_its_pods_pass_the_strictest_profile(installed: Installed) -> None:
    namespace = installed.plane.api.get(f"/api/v1/namespaces/{NAMESPACE}")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    expected = {"sluice-gateway": 1, "sluice-operator": 2} | (
        {} if installed.folder.name == "namespaced" else {"sluice-state": 1}
    )

    def counts() -> dict[str, int]:
        pods = installed.plane.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        names = [pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods]
        return {name: names.count(name) for name in names}

    installed.plane.until(lambda: counts() == expected, "the pods are let in")


def test_a_gateway_reads_its_few_objects_and_nothing_else(installed: Installed) -> None:
    account = installed.account("sluice-gateway")
    watch = ("list", "watch")
    assert rules(account, NAMESPACE) == {
        ("", "configmaps", ("sluice-gateway-config",), watch),
        ("", "configmaps", tuple(SHARDS), ("get",)),
        ("", "secrets", ("sluice-gateway-credentials", "sluice-gateway-keys"), watch),
    }
    assert rules(account, "default") == set()
    with pytest.raises(ApiRefused, match="cannot list resource"):
        account.get(f"/api/v1/namespaces/{NAMESPACE}/secrets")
    account.close()


def test_the_operator_has_no_right_on_secrets_that_nobody_gave_it(installed: Installed) -> None:
    account = installed.account("sluice-operator")
    watch = ("get", "list", "watch")
    everywhere: set[Rule] = {("sluice.dev", kind, (), watch) for kind in KINDS}
    everywhere |= {("sluice.dev", f"{kind}/status", (), ("patch",)) for kind in KINDS}
    everywhere |= {("apps", "deployments", (), watch)}
    cluster_wide = installed.folder.name != "namespaced"
    if cluster_wide:
        everywhere |= {("", "namespaces", (), ("list", "watch"))}
    assert rules(account, "default") == (everywhere if cluster_wide else set())
    write = ("create", "delete", "get", "list", "patch", "watch")
    assert rules(account, NAMESPACE) == everywhere | {
        ("", "configmaps", (), write),
        ("autoscaling", "horizontalpodautoscalers", (), write),
        ("", "pods", (), ("list",)),
        ("", "events", (), ("create",)),
        ("", "secrets", (), ("create",)),
        ("", "secrets", ("sluice-gateway-credentials",), ("delete", "get", "list", "patch", "watch")),
        ("", "secrets", (), watch),
        ("", "configmaps", (), watch),
        ("coordination.k8s.io", "leases", (), ("create",)),
        ("coordination.k8s.io", "leases", ("sluice-operator",), ("get", "update")),
    }
    account.close()


def test_another_namespace_opens_its_secrets_by_a_binding(installed: Installed) -> None:
    """With every overlay: a namespaced operator may be told to serve the other namespace too."""
    account, other = installed.account("sluice-operator"), installed.plane.new_namespace("tenant")
    assert not [rule for rule in rules(account, other) if rule[1] == "secrets"]
    role, subject = "--clusterrole=sluice-credentials", f"--serviceaccount={NAMESPACE}:sluice-operator"
    installed.kubectl("create", "rolebinding", "sluice-credentials", f"--namespace={other}", role, subject)
    readable = ("", "secrets", (), ("get", "list", "watch"))
    installed.plane.until(lambda: readable in rules(account, other), "the binding is known")
    account.close()
    installed.kubectl("delete", "namespace", other, "--wait=false")


def test_the_samples_are_taken_as_they_are(installed: Installed) -> None:
    samples = ("-k", MANIFESTS / "samples", f"--namespace={NAMESPACE}")
    installed.kubectl("apply", *samples)
    assert installed.kubectl("diff", *samples) == ""
    installed.kubectl("delete", *samples)
