"""The walks of a team that has a cluster with Sluice: first resources, and what happens when they change."""

import subprocess
from collections.abc import Iterator

import openai
import pytest
import yaml

from tests.support.callers import HELLO, Provider, provider, sdk, traffic
from tests.support.cluster import KubectlFailed
from tests.support.installation import Installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OLD, NEW = "sk-old-canary", "sk-new-canary"
RESOURCES = """
apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: team}}
spec:
  provider: openai-compatible
  baseURL: {url}
  credentials: {{secretRef: {{name: team, key: api-key}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: team}}
stringData: {{api-key: {key}}}
---
apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {{name: team}}
spec:
  models: [team, "team-*"]
  targets: [{{provider: team, model: first}}]
"""


@pytest.fixture(scope="module")
def team(installation: Installation) -> Iterator[Provider]:
    """A team's provider, and its resources as they are at first."""
    with provider(installation.cluster.network().host, OLD) as server:
        installation.kubectl("apply", "-f", "-", stdin=RESOURCES.format(url=server.url, key=OLD))
        yield server


@pytest.fixture
def client(installation: Installation) -> Iterator[openai.OpenAI]:
    with sdk(installation.gateway_url(), installation.caller_key) as one:
        yield one


def test_a_route_says_that_it_is_served_and_it_is(
    installation: Installation, team: Provider, client: openai.OpenAI
) -> None:
    installation.wait_for("modelroute/team", "condition=Ready")
    installation.programmed("team")
    header, row = installation.kubectl("get", "modelroute", "team").splitlines()
    assert header.split() == ["NAME", "MODELS", "STRATEGY", "ACCEPTED", "PROGRAMMED", "REASON", "AGE"]
    assert row.split()[:7] == ["team", "team,team-*", "priority", "True", "2/2", "pods", "Programmed"]
    answer = client.chat.completions.create(model="team", messages=HELLO)
    assert (answer.model, answer.choices[0].message.content) == ("first", "Hello!")
    assert set(team.seen) == {OLD}
    assert "team" in [model.id for model in client.models.list()]


def test_whoever_has_no_key_is_refused(installation: Installation) -> None:
    with sdk(installation.gateway_url(), "sk-unknown") as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model="team", messages=HELLO)


def test_an_edit_is_live_on_all_pods(installation: Installation, team: Provider) -> None:
    edit = installation.kubectl_command("edit", "modelroute", "team")
    editor = "KUBE_EDITOR=sed -i s/first/second/"
    subprocess.run(["env", editor, *map(str, edit)], check=True, capture_output=True, timeout=30)
    installation.programmed("team")
    for url in installation.pod_urls("sluice-gateway").values():
        with sdk(f"{url}:8080", installation.caller_key) as client:
            assert client.chat.completions.create(model="team", messages=HELLO).model == "second"


def test_a_key_is_rotated_without_a_failed_request(installation: Installation, team: Provider) -> None:
    pods = installation.pods("sluice-gateway")
    team.keys.add(NEW)
    with traffic(installation.gateway_url(), installation.caller_key, "team") as failed:
        installation.kubectl("patch", "secret", "team", "--patch", yaml.safe_dump({"stringData": {"api-key": NEW}}))
        installation.until(lambda: team.seen[-8:] == [NEW] * 8, "the new key is used by all")
        team.keys.remove(OLD)
        asked = len(team.seen)
        installation.until(lambda: len(team.seen) > asked + 8, "the old key is gone")
    assert failed == []
    assert installation.pods("sluice-gateway") == pods


def test_a_mistake_is_refused_where_it_is_made(installation: Installation, team: Provider) -> None:
    with pytest.raises(KubectlFailed, match=r"spec\.strategy"):
        installation.kubectl("patch", "modelroute", "team", "--type=merge", "--patch", '{"spec": {"strategy": "best"}}')
    targets = '{"spec": {"targets": [{"provider": "nobody"}, {"provider": "team"}]}}'
    installation.kubectl("patch", "modelroute", "team", "--type=merge", "--patch", targets)
    installation.wait_for("modelroute/team", "condition=ResolvedRefs=False")
    described = installation.kubectl("describe", "modelroute", "team")
    assert "spec.targets[0].provider" in described
    assert "ProviderNotFound" in described
    with sdk(installation.gateway_url(), installation.caller_key) as client:
        assert client.chat.completions.create(model="team", messages=HELLO).model == "team"


def test_a_missing_secret_is_named(installation: Installation, team: Provider) -> None:
    installation.kubectl("delete", "secret", "team")
    message = ("get", "modelroute", "team", "-o", "jsonpath={.status.conditions}")
    installation.until(lambda: "Secret sluice-system/team not found" in installation.kubectl(*message), "it is named")


def test_a_deleted_route_is_gone(installation: Installation, team: Provider, client: openai.OpenAI) -> None:
    installation.kubectl("delete", "modelroute/team", "providerpolicy/team")

    def answer() -> str | None:
        try:
            client.chat.completions.create(model="team", messages=HELLO)
        except openai.APIStatusError as error:
            return f"{error.status_code} {error.code}"
        return None

    installation.until(lambda: answer() == "404 model_not_found", "nobody answers")


def test_no_key_is_seen_where_it_does_not_belong(installation: Installation, team: Provider) -> None:
    kinds = "configmaps,modelroutes,providerpolicies,events,deployments,pods,hpa"
    seen = installation.kubectl("get", kinds, "-o", "yaml")
    for workload in ("sluice-operator", "sluice-gateway"):
        label = f"--selector=app.kubernetes.io/name={workload}"
        seen += installation.kubectl("logs", label, "--tail=-1", "--prefix")
    assert "modelroute" in seen.lower()
    assert OLD not in seen
    assert NEW not in seen
    assert installation.caller_key not in seen
