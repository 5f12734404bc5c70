"""The overlay for a team that has one namespace: its operator works with the rights that it has there."""

import os
from pathlib import Path

import pytest

from tests.cluster.keeper import kept
from tests.support.callers import HELLO, sdk
from tests.support.cluster import available_programs
from tests.support.installation import MANIFESTS, Installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_it_serves_its_own_namespace_and_no_other(tmp_path: Path) -> None:
    programs = available_programs(os.environ)
    with kept(tmp_path / "cluster", with_node=True) as cluster:
        one = Installation(cluster, programs / "kubectl")
        one.install("namespaced")
        with sdk(one.gateway_url(), one.caller_key) as client:
            assert client.chat.completions.create(model="chat", messages=HELLO).choices[0].message.content
        status = ("-o", "jsonpath={.items[*].status}")
        assert "Programmed" in one.kubectl("get", "modelroutes", *status)
        one.kubectl("apply", "-k", MANIFESTS / "samples", "--namespace=default")
        one.kubectl("rollout", "restart", "deploy/sluice-operator")
        one.roll_out("deploy/sluice-operator")
        one.programmed("chat")
        assert one.kubectl("get", "modelroutes", "--namespace=default", *status).strip() == ""
        one.api.close()
