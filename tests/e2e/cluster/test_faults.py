"""What falls over while callers go on: gateways serve, and everything converges."""

import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.callers import HELLO, Provider, Streams, provider, sdk, traffic
from tests.support.installation import Installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STREAMS = 50
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
KEY = "sk-slow"
RESOURCES = """
apiVersion: v1
kind: Secret
metadata: {{name: slow}}
stringData: {{api-key: {key}}}
---
apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: slow}}
spec: {{provider: openai-compatible, baseURL: "{url}", credentials: {{secretRef: {{name: slow, key: api-key}}}}}}
---
apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {{name: slow}}
spec: {{models: [slow], targets: [{{provider: slow}}]}}
---
apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: quick}}
spec: {{provider: mock, mock: {{latencyMilliseconds: 1, tokensPerSecond: 1000}}}}
---
apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {{name: quick}}
spec: {{models: [quick], targets: [{{provider: quick}}]}}
"""


@pytest.fixture(scope="module", autouse=True)
def slow(installation: Installation) -> Iterator[Provider]:
    """The provider whose streams last until it is told to end them; it and another one have routes."""
    with provider(installation.cluster.network().host, KEY) as server:
        resources = RESOURCES.format(url=server.url, key=KEY)
        installation.kubectl("apply", "-f", "-", stdin=resources)
        for name in ("slow", "quick"):
            installation.programmed(name)
        yield server
        installation.kubectl("delete", "-f", "-", stdin=resources)


def leader(installation: Installation) -> str:
    """The operator's pod that holds the Lease; empty when none does."""
    return installation.kubectl("get", "lease", "sluice-operator", "-o", "jsonpath={.spec.holderIdentity}")


def changed(installation: Installation, model: str) -> None:
    """A change is served by all pods, and said to be."""
    patch = f'{{"spec": {{"targets": [{{"provider": "quick", "model": "{model}"}}]}}}}'
    installation.kubectl("patch", "modelroute", "quick", "--type=merge", "--patch", patch)
    installation.programmed("quick")
    with sdk(installation.gateway_url(), installation.caller_key) as client:
        assert client.chat.completions.create(model="quick", messages=HELLO).model == model


def test_another_operator_takes_over(installation: Installation) -> None:
    killed = leader(installation)
    with traffic(installation.gateway_url(), installation.caller_key, "quick") as failed:
        installation.kubectl("delete", "pod", killed, "--grace-period=0", "--force")
        installation.until(lambda: leader(installation) not in ("", killed), "another one leads", within=120)
        changed(installation, "after-the-leader")
        installation.roll_out("deploy/sluice-operator")
    assert failed == []


def test_gateways_are_replaced_under_live_streams(installation: Installation, slow: Provider) -> None:
    before = installation.pods("sluice-gateway")
    url, key = installation.gateway_url(), installation.caller_key
    streams = Streams(url, key, "slow", STREAMS)
    streams.begun()
    with traffic(url, key, "quick") as failed:
        installation.kubectl("rollout", "restart", "deploy/sluice-gateway")
        installation.roll_out("deploy/sluice-gateway")
        assert streams.left == STREAMS
        slow.done.set()
        ends = streams.ends()
    assert failed == []
    assert ends == ["stop"] * STREAMS
    assert not installation.pods("sluice-gateway").keys() & before.keys()
    changed(installation, "after-the-roll-out")


def test_a_gateway_that_is_killed_comes_back(installation: Installation) -> None:
    pod, *_ = installation.pods("sluice-gateway")
    installation.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    installation.roll_out("deploy/sluice-gateway")
    changed(installation, "after-the-kill")


def test_gateways_serve_while_the_api_server_is_away(installation: Installation) -> None:
    address = installation.pod_urls("sluice-operator")[leader(installation)]
    with traffic(installation.gateway_url(), installation.caller_key, "quick") as failed:
        with api_server_away(installation):
            installation.until(lambda: not answers(f"{address}:8080/healthz"), "the leader gives up", within=120)
        installation.roll_out("deploy/sluice-operator")
        changed(installation, "after-the-pause")
    assert failed == []


def test_a_gateway_starts_from_its_volume_while_the_api_server_is_away(installation: Installation) -> None:
    (pod, address), *_ = installation.pod_urls("sluice-gateway").items()
    [process] = installation.processes(pod)
    with api_server_away(installation):
        os.kill(process, signal.SIGKILL)
        installation.until(lambda: not answers(f"{address}:9090/health"), "it has ended")
        installation.until(lambda: answers(f"{address}:9090/ready"), "it is ready again", within=120)
        with sdk(f"{address}:8080", installation.caller_key) as client:
            assert client.chat.completions.create(model="quick", messages=HELLO).choices
    changed(installation, "after-the-start")


@contextmanager
def api_server_away(installation: Installation) -> Iterator[None]:
    """It answers nothing as long as the block lasts; afterwards it has caught up, and somebody leads."""
    with installation.cluster.sandbox.paused("kube-apiserver"):
        yield
    installation.until(lambda: leader(installation) != "", "the API server answers again", within=120)


def answers(url: str) -> bool:
    """Whether the answer is 200."""
    try:
        with OPENER.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
