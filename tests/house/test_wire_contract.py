"""docs/wire-contract.md names tests and recorded pairs that there are."""

import re

import pytest

from tests.house.tree import ROOT, text

PAGE = "docs/wire-contract.md"
GOLDEN = ROOT / "tests" / "golden"
NAME = re.compile(r"`([\w./-]+/[\w./-]+(?:::\w+)?)`")
ROWS = [line.strip("| ").split(" | ") for line in text(PAGE).splitlines() if line.startswith("| ")]
RULES = [row for row in ROWS if row[0] not in ("rule", "---")]


def exists(name: str) -> bool:
    """A test, or a recorded pair."""
    file, _, test = name.partition("::")
    if test:
        path = ROOT / "tests" / file
        return (
            path.is_file()
            and re.search(rf"^(async )?def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
        )
    folder = GOLDEN if file.startswith("dialects/") else GOLDEN / "providers"
    return any(folder.glob(f"{file}.in.*")) and any(folder.glob(f"{file}.out.*"))


@pytest.mark.parametrize("row", RULES, ids=lambda row: row[0])
def test_each_rule_is_shown(row: list[str]) -> None:
    rule, shown = row
    names = NAME.findall(shown)
    assert names, f"nothing shows that {rule}"
    assert [name for name in names if not exists(name)] == []


def test_each_section_has_rules() -> None:
    sections = text(PAGE).split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == [
        "Events of streams",
        "Tools",
        "Finish reasons",
        "Usage",
        "Errors",
        "Requests",
    ]
    assert len(RULES) > 50


def test_what_does_not_apply_says_why() -> None:
    assert all(len(shown) > 40 for _, shown in RULES if shown.startswith("Does not apply"))
