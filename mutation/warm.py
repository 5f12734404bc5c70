"""``python -m mutation.warm SETTINGS SESSION``: what ``cosmic-ray exec`` does, several times as fast.

A test run spends most of its time on importing libraries. Here they are imported once, and the tests of each mutant run
in a fork of this process, which imports nothing but the tree itself.
"""

import difflib
import gc
import importlib
import multiprocessing
import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from cosmic_ray.config import load_config
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

LIBRARIES = (
    "aiohttp",
    "hypothesis.strategies",
    "pytest_asyncio.plugin",
    "sluice_config.snapshot",
    "sluice_gateway.providers.provider",
    "sluice_gateway.telemetry.target_figures",
    "yaml",
)
"""What most tests import and no configuration mutates. None may import what is mutated."""


class Checks(NamedTuple):
    """What pytest is told of every run, and the files with tests, its own first: they fail soonest."""

    options: list[str]
    files: list[str]

    def pass_within(self, seconds: float) -> bool:
        """Whether all pass, in a fork of this process and in time."""
        fork = multiprocessing.get_context("fork").Process(target=self._run)
        fork.start()
        fork.join(seconds)
        if fork.is_alive():
            fork.kill()
            fork.join()
        return fork.exitcode == 0

    def _run(self) -> None:
        gc.freeze()  # what was imported before stays: nobody need look through it
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        os._exit(any(pytest.main([*self.options, file]) for file in self.files))


def checks_of(command: str, module: str) -> Checks:
    """The tests that a configuration's command names, by files or folders."""
    words = shlex.split(command.partition("pytest ")[2])
    named = [Path(word) for word in words if word.startswith("tests/")]
    files = [str(file) for one in named for file in (sorted(one.glob("test_*.py")) if one.is_dir() else [one])]
    own = f"test_{Path(module).stem}"
    files.sort(key=lambda file: not Path(file).name.startswith(own))
    return Checks([word for word in words if not word.startswith("tests/")], files)


def result_of(mutation: MutationSpec, tests: Checks, timeout: float) -> WorkResult:
    """Make one mutant, and run the tests on it."""
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    with use_mutation(mutation.module_path, operator, mutation.occurrence) as (was, now):
        if now is None:
            return WorkResult(WorkerOutcome.NO_TEST)
        outcome = TestOutcome.SURVIVED if tests.pass_within(timeout) else TestOutcome.KILLED
    diff = difflib.unified_diff(was.split("\n"), now.split("\n"), "a", "b", lineterm="")
    return WorkResult(WorkerOutcome.NORMAL, None, outcome, "\n".join(diff))


def main(settings: str, session: str) -> int:
    """Test without any mutant, then with each that has no result yet."""
    config = load_config(settings)
    [module] = config["module-path"]
    tests, timeout = checks_of(config["test-command"], module), config["timeout"]
    sys.dont_write_bytecode = True  # mutants that are made within one second look the same as files
    pytest.main(["--version"])  # imports its own plugins
    for library in LIBRARIES:
        importlib.import_module(library)
    if any((getattr(one, "__file__", None) or "").endswith(module) for one in sys.modules.values()):
        print(f"{module} is imported already")
        return 1
    if not tests.pass_within(timeout):
        print("the tests fail without any mutant")
        return 1
    with use_db(session, WorkDB.Mode.open) as work:
        for item in work.pending_work_items:
            work.set_result(item.job_id, result_of(item.mutations[0], tests, timeout))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
