"""``make cluster``: what it prints works. That ``make cluster-down`` leaves nothing is seen after all tests with it."""

import json
import re
import subprocess

import pytest

from tests.support.playground import ROOT, Playground

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def shell(script: str) -> str:
    return subprocess.run(
        ["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    ).stdout


def test_what_it_prints_works(playground: Playground) -> None:
    look = re.search(r"^  (export KUBECONFIG=.*)$", playground.printed, re.MULTILINE)
    ask = re.search(r"^  (curl .*\\\n.*)$", playground.printed, re.MULTILINE)
    assert look
    assert ask
    assert re.search(r"^chat +chat +priority +True +2/2 pods +Programmed", shell(look[1]), re.MULTILINE)
    answer = json.loads(shell(ask[1]))
    assert answer["choices"][0]["message"]["content"]
