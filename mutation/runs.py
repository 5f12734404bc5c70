"""Running cosmic-ray over one module, in a copy of the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_IMPORTED = ("crds", "gateway", "operator", ".")


class Mutant(NamedTuple):
    """One change: a line as it was, and as it was made ("" when it was taken out)."""

    module: str
    was: str
    now: str
    killed: bool


def copy_tree(folder: Path) -> None:
    """Copy the repository's files, committed or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for path in filter(None, listed.split("\0")):
        if (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)


def mutate(config: str, module: str, copy: Path) -> list[Mutant]:
    """Make every mutant of a module in the copy, and run the configuration's tests on each. Raises RuntimeError when
    the tests fail without any, or when cosmic-ray does.
    """
    settings, session = copy / "session.toml", copy / "session.sqlite"
    session.unlink(missing_ok=True)
    listed = re.compile(r"^module-path = \[.*?\]", re.MULTILINE | re.DOTALL)
    settings.write_text(listed.sub(f"module-path = {json.dumps([module])}", config, count=1))
    _run(copy, "cosmic-ray", "init", settings.name, session.name)
    _run(copy, "cr-filter-operators", session.name, settings.name)
    _run(copy, "cosmic-ray", "baseline", settings.name)
    _run(copy, "cosmic-ray", "exec", settings.name, session.name)
    return mutants_of(_run(copy, "cosmic-ray", "dump", session.name))


def mutants_of(dumped: str) -> list[Mutant]:
    """The mutants of a session, as ``cosmic-ray dump`` prints it; not those whose operator is left out."""
    results = map(json.loads, dumped.splitlines())
    return [
        _mutant(work["mutations"][0]["module_path"], result)
        for work, result in results
        if result is not None and result["worker_outcome"] != "skipped"
    ]


def _run(copy: Path, *command: str) -> str:
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join(str(copy / folder) for folder in _IMPORTED)
    environment = {**os.environ, "PATH": os.pathsep.join((scripts, os.environ["PATH"])), "PYTHONPATH": path}
    done = subprocess.run(command, cwd=copy, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _mutant(module: str, result: Mapping[str, Any]) -> Mutant:
    lines = (result["diff"] or "").splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    now = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    return Mutant(
        module, " ".join(filter(None, was)), " ".join(filter(None, now)), killed=result["test_outcome"] != "survived"
    )
