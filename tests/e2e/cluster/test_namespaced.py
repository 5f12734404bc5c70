"""What is installed can be taken away, and the overlay for a team that has one namespace put in its place: its operator
works with the rights that it has there. The tests are one story, the last of the installation.
"""

import pytest

from tests.support.callers import HELLO, sdk
from tests.support.installation import MANIFESTS, Installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STATUS = ("-o", "jsonpath={.items[*].status}")


@pytest.fixture(scope="module")
def left(installation: Installation) -> list[str]:
    """What is left of Sluice when its manifests are taken away, which are those that were applied."""
    overlay = ("-k", MANIFESTS / "overlays" / "default")
    assert installation.kubectl("diff", *overlay) == ""
    installation.kubectl("delete", *overlay, "--timeout=180s", within=200)
    kinds = "namespaces,crds,clusterroles,clusterrolebindings"
    names = installation.kubectl("get", kinds, "-o", "name").split()
    assert "namespace/default" in names
    return [name for name in names if "sluice" in name and "sluice-test:" not in name]  # those are the cluster's own


def test_nothing_is_left_of_what_was_installed(left: list[str]) -> None:
    """Neither pods nor kinds, nor who may what."""
    assert left == []


def test_it_serves_its_own_namespace_and_no_other(installation: Installation, left: list[str]) -> None:
    installation.deploy("namespaced")
    with sdk(installation.gateway_url(), installation.caller_key) as client:
        assert client.chat.completions.create(model="chat", messages=HELLO).choices[0].message.content
    assert "Programmed" in installation.kubectl("get", "modelroutes", *STATUS)
    installation.kubectl("apply", "-k", MANIFESTS / "samples", "--namespace=default")
    installation.kubectl("rollout", "restart", "deploy/sluice-operator")
    installation.roll_out("deploy/sluice-operator")
    installation.programmed("chat")
    assert installation.kubectl("get", "modelroutes", "--namespace=default", *STATUS).strip() == ""
