"""The page has every survivor with its reason."""

from pathlib import Path

import pytest

from mutation.page import INTRO, keep, section, unexplained
from mutation.runs import Mutant

CONFIG = {
    "cosmic-ray": {"module-path": ["a.py", "b.py"]},
    "survivor": [
        {"was": "x = 1", "now": ["x = 2", "x = 0"], "why": "it is set again below"},
        {"module": "a.py", "was": "z = 1", "now": [""], "why": "nobody reads it"},
    ],
}
KILLED = Mutant("a.py", "y = 1", "y = 2", killed=True)
EXPLAINED = Mutant("b.py", "x = 1", "x = 0", killed=False)


@pytest.mark.parametrize(
    ("mutant", "open_question"),
    [
        (KILLED, False),
        (EXPLAINED, False),
        (EXPLAINED._replace(now="x = 3"), True),
        (EXPLAINED._replace(was="y = 1"), True),
        (Mutant("a.py", "z = 1", "", killed=False), False),
        (Mutant("b.py", "z = 1", "", killed=False), True),
        (EXPLAINED._replace(now="x = 3", killed=True), False),
        (EXPLAINED._replace(now="x = 3", tried=False), False),
    ],
)
def test_a_survivor_needs_a_reason(mutant: Mutant, open_question: bool) -> None:
    assert unexplained([mutant], CONFIG) == [mutant] * open_question


def test_a_section_counts_each_module() -> None:
    survivor = Mutant("a.py", "@property", "", killed=False)
    piped = Mutant("a.py", "a | b", "a & b", killed=False)
    unknown = Mutant("a.py", "", "", killed=False, tried=False)
    assert section("it", [KILLED, EXPLAINED, survivor, piped, unknown], CONFIG).splitlines() == [
        "## it",
        "",
        "| module | mutants | tried | killed | survived |",
        "|---|---|---|---|---|",
        "| `a.py` | 4 | 3 | 1 | 2 |",
        "| `b.py` | 1 | 1 | 0 | 1 |",
        "",
        "| survivor | as | why nothing notices |",
        "|---|---|---|",
        "| `@property` | (taken out) | **no reason known** |",
        r"| `a \| b` | `a & b` | **no reason known** |",
        "| `x = 1` | `x = 0` | it is set again below |",
    ]
    assert "survivor" not in section("it", [KILLED], CONFIG)


def test_sections_of_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    keep({"b": "## b\n\nold\n"}, page)
    keep({"a": "## a\n\nfirst\n"}, page)
    keep({"b": "## b\n\nnew\n"}, page)
    assert page.read_text() == f"{INTRO}\n## a\n\nfirst\n\n## b\n\nnew\n"
