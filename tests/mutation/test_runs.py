"""What cosmic-ray says is read as it is meant."""

import json
from pathlib import Path

import pytest

from mutation.runs import Mutant, copy_tree, mutants_of

DIFF = "--- a/m.py\n+++ b/m.py\n@@ -1,3 +1,3 @@\n def f():\n-    return 1\n+    return 2\n"


def line(outcome: str | None, diff: str = DIFF, worker: str = "normal", output: str | None = None) -> str:
    work = {"mutations": [{"module_path": "m.py"}]}
    return json.dumps((work, {"worker_outcome": worker, "test_outcome": outcome, "diff": diff, "output": output}))


@pytest.mark.parametrize(("outcome", "killed"), [("killed", True), ("survived", False), ("incompetent", True)])
def test_a_mutant_is_its_line_before_and_after(outcome: str, killed: bool) -> None:
    assert mutants_of(line(outcome)) == [Mutant("m.py", "return 1", "return 2", killed)]


def test_a_line_may_be_taken_out() -> None:
    taken_out = "--- a/m.py\n+++ b/m.py\n@@ -1,3 +1,1 @@\n-\n-@property\n def f():\n"
    assert mutants_of(line("survived", taken_out)) == [Mutant("m.py", "@property", "", killed=False)]


def test_what_was_left_out_is_no_mutant() -> None:
    pending = json.dumps(({"mutations": [{"module_path": "m.py"}]}, None))
    assert mutants_of("\n".join([line(None, "", "skipped"), pending, line("killed")])) == mutants_of(line("killed"))


def test_what_is_not_in_the_sample_is_a_mutant_of_which_nothing_is_known() -> None:
    [mutant] = mutants_of(line(None, "", "skipped", "not in the sample"))
    assert mutant == Mutant("m.py", "", "", killed=False, tried=False)


def test_a_copy_has_the_files_of_the_tree_alone(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    assert (tmp_path / "mutation" / "runs.py").is_file()
    assert not [path.name for path in tmp_path.iterdir() if path.name in (".git", ".venv", ".cache")]
