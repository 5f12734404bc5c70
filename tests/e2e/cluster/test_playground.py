"""``make cluster``: what it prints works, and ``make cluster-down`` leaves nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import available_programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]


def playground(command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.playground", command, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shell(script: str) -> str:
    return subprocess.run(
        ["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    ).stdout


def test_what_it_prints_works(tmp_path: Path) -> None:
    available_programs(os.environ)
    folder = tmp_path / "cluster"
    try:
        printed = playground("up", folder)
        look = re.search(r"^  (export KUBECONFIG=.*)$", printed, re.MULTILINE)
        ask = re.search(r"^  (curl .*\\\n.*)$", printed, re.MULTILINE)
        assert look
        assert ask
        assert re.search(r"^chat +chat +priority +True +2/2 pods +Programmed", shell(look[1]), re.MULTILINE)
        answer = json.loads(shell(ask[1]))
        assert answer["choices"][0]["message"]["content"]
        uninstalled(look[1].partition(";")[0])
    finally:
        playground("down", folder)
    assert not folder.exists()


def uninstalled(environment: str) -> None:
    """The manifests are what they were, and leave nothing when they go: neither pods nor kinds, nor who may what."""
    overlay = "-k manifests/overlays/default"
    assert shell(f"{environment}; kubectl diff {overlay}") == ""
    shell(f"{environment}; kubectl delete {overlay} --timeout=90s")
    left = shell(f"{environment}; kubectl get namespaces,crds,clusterroles,clusterrolebindings -o name")
    assert "namespace/default" in left
    assert not [name for name in left.split() if "sluice" in name and "sluice-test:" not in name]  # the cluster's own
