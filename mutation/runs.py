"""Running cosmic-ray over one module, in a copy of the tree."""

import compileall
import contextlib
import importlib.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SESSIONS = ROOT / ".cache" / "mutation"
"""What came of each mutant the last time, and of which text."""
_NOT_TRIED = "not in the sample"
_SAMPLE = """
insert into work_results (job_id, worker_outcome, output)
select job_id, 'SKIPPED', :output from (
    select job_id, row_number() over (order by rowid) as number from work_items
    where job_id not in (select job_id from work_results)
) where number % :every
"""
_IMPORTED = ("crds", "gateway", "operator", ".")


class Mutant(NamedTuple):
    """One change: a line as it was, and as it was made ("" when it was taken out, and of one that was not tried)."""

    module: str
    was: str
    now: str
    killed: bool
    tried: bool = True


def copy_tree(folder: Path) -> None:
    """Copy the repository's files, committed or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for path in filter(None, listed.split("\0")):
        if (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)


def mutate(
    config: str, module: str, copy: Path, *, every: int = 1, again: Callable[[Mutant], bool] | None = None
) -> list[Mutant]:
    """Make every mutant of a module in the copy, or each ``every``-th, and run the configuration's tests on each;
    ``again`` says which of those that survived the last time are tried again, and no others are when the module is
    still the same. Raises RuntimeError when the tests fail without any, or when cosmic-ray does.
    """
    settings, session = copy / "session.toml", SESSIONS / f"{Path(module).stem}.sqlite"
    listed = re.compile(r"^module-path = \[.*?\]", re.MULTILINE | re.DOTALL)
    settings.write_text(listed.sub(f"module-path = {json.dumps([module])}", config, count=1))
    source = session.with_suffix(".py")
    if again and session.exists() and source.exists() and source.read_text() == (copy / module).read_text():
        jobs = [
            (work["job_id"],)
            for work, result in map(json.loads, _run(copy, "cosmic-ray", "dump", str(session)).splitlines())
            if result is not None and result["test_outcome"] == "survived" and again(_mutant(module, result))
        ]
        with contextlib.closing(sqlite3.connect(session)) as results, results:
            results.executemany("delete from work_results where job_id = ?", jobs)
    else:
        SESSIONS.mkdir(parents=True, exist_ok=True)
        session.unlink(missing_ok=True)
        shutil.copyfile(copy / module, source)
        _run(copy, "cosmic-ray", "init", settings.name, str(session))
        _run(copy, "cr-filter-operators", str(session), settings.name)
        with contextlib.closing(sqlite3.connect(session)) as results, results:
            results.execute(_SAMPLE, {"every": every, "output": _NOT_TRIED})
    compileall.compile_dir(copy / "gateway", quiet=2)
    compileall.compile_dir(copy / "tests", quiet=2)
    Path(importlib.util.cache_from_source(str(copy / module))).unlink()  # or it might pass for a mutant's
    _run(copy, sys.executable, "-m", "mutation.warm", settings.name, str(session))
    return mutants_of(_run(copy, "cosmic-ray", "dump", str(session)))


def mutants_of(dumped: str) -> list[Mutant]:
    """The mutants of a session, as ``cosmic-ray dump`` prints it; not those whose operator is left out."""
    results = map(json.loads, dumped.splitlines())
    return [
        _mutant(work["mutations"][0]["module_path"], result)
        for work, result in results
        if result is not None and (result["worker_outcome"] != "skipped" or result["output"] == _NOT_TRIED)
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
    if result["worker_outcome"] == "skipped":
        return Mutant(module, "", "", killed=False, tried=False)
    lines = (result["diff"] or "").splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    now = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    return Mutant(
        module, " ".join(filter(None, was)), " ".join(filter(None, now)), killed=result["test_outcome"] != "survived"
    )
