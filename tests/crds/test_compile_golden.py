"""What compile makes of small sets of resources: a pair of files for each rule, acceptances and rejections alike."""

from pathlib import Path

import pytest
import yaml

from sluice_config.compile import Compiled, compile_resources
from tests.support.golden import Golden
from tests.support.resources import inputs, read

FOLDER = Path(__file__).parents[1] / "golden" / "compile"
RULES = sorted(file.name.removesuffix(".in.yaml") for file in FOLDER.glob("*.in.yaml"))


def readable(compiled: Compiled) -> str:
    """Findings as people see them, and the snapshot without what is as usual."""
    snapshot = compiled.snapshot.model_dump(mode="json", exclude_defaults=True)
    content = {"findings": [str(finding) for finding in compiled.findings], "snapshot": snapshot}
    return yaml.safe_dump(content, sort_keys=False, width=200, allow_unicode=True)


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, golden: Golden) -> None:
    documents = read(FOLDER / f"{rule}.in.yaml")
    compiled = compile_resources(*inputs(documents))
    golden.check(f"compile/{rule}.out.yaml", readable(compiled))
    assert compile_resources(*inputs(reversed(documents))) == compiled


def test_every_output_has_its_input() -> None:
    assert sorted(file.name.removesuffix(".out.yaml") for file in FOLDER.glob("*.out.yaml")) == RULES
