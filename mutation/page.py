"""The page that keeps what came out."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mutation.runs import ROOT, Mutant

PAGE = ROOT / "docs" / "mutation.md"
INTRO = """# Mutation tests

Written by `make mutation`, which changes one operator, number, condition or decorator at a time in the modules that
decide, in a copy of the tree, and runs their tests on each mutant (cosmic-ray; `mutation/*.toml`). A mutant that no
test notices shows a line that no test holds in place: it gets a test, or stands below with the reason why nothing can
notice it. `make mutation` fails when it has neither. Operators that are left out stand in the configurations.

"Tried" is less than "mutants" where a run was told to take a sample (`python -m mutation --every N`: each N-th of a
module, in the order in which cosmic-ray lists them): of the others nothing is known. `--again` runs the tests on those
alone that survived the last time and for which no reason is known.
"""


def unexplained(mutants: Iterable[Mutant], config: Mapping[str, Any]) -> list[Mutant]:
    """The survivors for which the configuration has no reason."""
    return [mutant for mutant in mutants if _survived(mutant) and _reason(mutant, config) is None]


def section(name: str, mutants: Sequence[Mutant], config: Mapping[str, Any]) -> str:
    """What came out for one configuration."""
    lines = [f"## {name}", "", "| module | mutants | tried | killed | survived |", "|---|---|---|---|---|"]
    for module in config["cosmic-ray"]["module-path"]:
        made = [mutant for mutant in mutants if mutant.module == module]
        tried, killed = sum(mutant.tried for mutant in made), sum(mutant.killed for mutant in made)
        lines.append(f"| `{module}` | {len(made)} | {tried} | {killed} | {tried - killed} |")
    survivors = sorted(set(filter(_survived, mutants)))
    if survivors:
        lines += ["", "| survivor | as | why nothing notices |", "|---|---|---|"]
    for one in survivors:
        reason = _reason(one, config) or "**no reason known**"
        lines.append(f"| {_code(one.was)} | {_code(one.now)} | {reason} |")
    return "\n".join(lines) + "\n"


def keep(sections: Mapping[str, str], page: Path = PAGE) -> None:
    """Put sections in the place of those of the same name; others stay."""
    _, *old = page.read_text().split("\n## ") if page.exists() else [""]
    kept = {text.partition("\n")[0]: f"## {text.strip()}\n" for text in old}
    page.write_text("\n".join([INTRO, *(text for _, text in sorted({**kept, **sections}.items()))]))


def _survived(mutant: Mutant) -> bool:
    return mutant.tried and not mutant.killed


def _reason(mutant: Mutant, config: Mapping[str, Any]) -> str | None:
    for survivor in config.get("survivor", ()):
        here = survivor.get("module", mutant.module) == mutant.module
        if here and mutant.was == survivor["was"] and mutant.now in survivor["now"]:
            reason: str = survivor["why"]
            return reason
    return None


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`" if text else "(taken out)"
