"""The command: ``python -m mutation [NAME]...``, with mutation/NAME.toml; with all of them when none is named."""

import argparse
import os
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mutation import page
from mutation.runs import Mutant, copy_tree, mutate

FOLDER = Path(__file__).parent


def run(
    configs: Mapping[str, str], modules: Sequence[tuple[str, str]], folder: Path, wanted: argparse.Namespace
) -> list[Mutant]:
    """The mutants of all modules, which are named with their configuration. Each worker has a copy of the tree."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(wanted.workers):
        copy_tree(folder / str(number))
        copies.put(folder / str(number))

    def of_module(job: tuple[str, str]) -> list[Mutant]:
        name, module = job
        copy = copies.get()
        try:
            again = partial(_is_open_question, tomllib.loads(configs[name])) if wanted.again else None
            mutants = mutate(configs[name], module, copy, every=wanted.every, again=again)
        finally:
            copies.put(copy)
        tried = [one for one in mutants if one.tried]
        survived = sum(not one.killed for one in tried)
        print(f"{module}: {len(mutants)} mutants, {len(tried)} tried, {survived} survived", flush=True)
        return mutants

    with ThreadPoolExecutor(wanted.workers) as pool:
        return [mutant for mutants in pool.map(of_module, modules) for mutant in mutants]


def _is_open_question(config: Mapping[str, Any], mutant: Mutant) -> bool:
    return bool(page.unexplained([mutant], config))


def main() -> int:
    """Run them, and write docs/mutation.md. The exit code is 1 when a survivor has no reason."""
    known = {file.stem: file.read_text() for file in sorted(FOLDER.glob("*.toml"))}
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="mutants at the same time")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try each N-th mutant")
    parser.add_argument("--again", action="store_true", help="only those that survived, for no known reason")
    wanted = parser.parse_args()
    if unknown := sorted(set(wanted.names) - set(known)):
        parser.error(f"there is no {', '.join(unknown)}")
    names = wanted.names or list(known)
    configs: dict[str, dict[str, Any]] = {name: tomllib.loads(known[name]) for name in names}
    modules = [(name, module) for name in names for module in configs[name]["cosmic-ray"]["module-path"]]
    with tempfile.TemporaryDirectory(prefix="sluice-mutation-") as folder:
        mutants = run(known, modules, Path(folder), wanted)
    open_questions = []
    sections = {}
    for name in names:
        of_name = set(configs[name]["cosmic-ray"]["module-path"])
        made = [mutant for mutant in mutants if mutant.module in of_name]
        sections[name] = page.section(name, made, configs[name])
        open_questions += page.unexplained(made, configs[name])
    page.keep(sections)
    for one in open_questions:
        print(f"no test notices: {one.module}\n  {one.was}\n  {one.now or '(taken out)'}")
    return 1 if open_questions else 0


if __name__ == "__main__":
    sys.exit(main())
