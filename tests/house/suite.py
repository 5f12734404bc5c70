"""``make test`` after the checks: the whole suite with its coverage. ``make soak``: with all examples of the property
tests, and the unit layer on Python 3.13 too.

    python -m tests.house.suite [--soak]

What tests at a real API server need is compiled first, once for a machine (about 6 minutes).

The last lines are pytest's own closing summaries; the exit code is 1 when anything failed. Python 3.13 is what the
images run, and so what all tests with real pods try.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.build import programs_folder
from tests.cluster.preconditions import cannot_build, cannot_run, required
from tests.support.examples import ALL

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
PYTEST = (
    "-m",
    "pytest",
    "-n",
    "2",
    "--dist",
    "loadfile",
    "--no-loadscope-reorder",
    "-q",
)  # in the order of conftest.py
UNIT_LAYER = ("-m", "not slow", "--ignore=tests/e2e", "--ignore=tests/house")
SUMMARY = re.compile(r"^(=+ )?\d+ (passed|failed|error|skipped).* in [\d.]+ ?s")


def run(*command: str) -> tuple[int, str]:
    """Run a command and pass on what it prints; its exit code and the last line that is a closing summary of pytest."""
    summary = ""
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            summary = line.strip() if SUMMARY.match(line) else summary
    return process.returncode, summary


def interpreters() -> Iterator[str]:
    """Where a Python 3.13 can be."""
    if found := shutil.which("python3.13"):
        yield found
    yield from (str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13")))


def works(python: str) -> bool:
    """Whether it runs and can make environments; a pyenv shim stands on the path also when it leads nowhere."""
    test = "import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 13))"
    return subprocess.run([python, "-c", test], capture_output=True, check=False).returncode == 0


def whole_suite() -> tuple[bool, str]:
    """All tests, and how many of the lines they run, in this process's children too."""
    shutil.rmtree(ROOT / ".cache" / "coverage", ignore_errors=True)
    code, summary = run(PYTHON, "-m", "coverage", "run", *PYTEST)
    run(PYTHON, "-m", "coverage", "combine", "--quiet")
    covered, _ = run(PYTHON, "-m", "coverage", "report")
    version = ".".join(map(str, sys.version_info[:2]))
    return (
        code == covered == 0,
        f"Python {version}, all tests{', too few lines covered' if covered else ''}:\n{summary}",
    )


def unit_layer() -> tuple[bool, str]:
    """The unit layer on Python 3.13, in an environment of its own made from the same lock."""
    python = next(filter(works, interpreters()), None)
    if python is None:
        return True, "Python 3.13, unit layer: left out, there is no Python 3.13 here"
    made, _ = run("make", "-s", "--no-print-directory", ".venv-3.13/.dev", f"PYTHON_3_13={python}")
    if made != 0:
        return False, "Python 3.13, unit layer: its environment could not be made"
    code, summary = run(str(ROOT / ".venv-3.13/bin/python"), *PYTEST, *UNIT_LAYER)
    return code == 0, f"Python 3.13, unit layer:\n{summary}"


def cluster_programs() -> tuple[bool, str]:
    """The programs of the cluster for tests, compiled if this machine has none yet.

    Tests that need a cluster are left out where none can run, unless they are required.
    """
    built = programs_folder().exists()
    if missing := cannot_run(os.environ) or ("" if built else cannot_build()):
        return not required(os.environ), f"Tests at an API server: left out, {missing}"
    if not built:
        print("compiling Kubernetes for the tests: about 6 minutes, once for this machine", flush=True)
        code, _ = run(PYTHON, "-m", "tests.cluster", "build")
        if code != 0:
            return False, "Tests at an API server: not compiled"
    return True, ""


def main() -> int:
    """Run all of it; 1 when anything failed."""
    os.environ.pop("MAKEFLAGS", None)
    if "--soak" in sys.argv[1:]:
        os.environ[ALL] = "all"
    results = [cluster_programs(), whole_suite()]
    if "--soak" in sys.argv[1:]:
        results.append(unit_layer())
    print("\n" + "\n".join(closing for _, closing in results if closing))
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
