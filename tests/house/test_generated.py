"""What ``make generate`` writes, ``make check`` compares."""

import re

from tests.house.check import CHECKS
from tests.house.tree import text


def test_every_generator_has_its_check() -> None:
    recipe = text("Makefile").partition("\ngenerate:")[2].partition("\n\n")[0]
    generators = set(re.findall(r"python -m (\S+)", recipe))
    checked = {check.command[2] for check in CHECKS if "--check" in check.command and check.command[1] == "-m"}
    assert generators == checked == {"sluice_config.crd", "sluice_config.unhonoured", "sluice_gateway.reference"}
