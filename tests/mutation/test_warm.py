"""The tests of a mutant run in a fork, the module's own first."""

from pathlib import Path

import pytest

from mutation.warm import Checks, checks_of

OPTIONS = ["-c", "mutation/pytest.ini", "-p", "no:cacheprovider"]


def test_the_tests_of_the_module_itself_come_first() -> None:
    command = "python -m pytest -c mutation/pytest.ini tests/mutation tests/house/test_sizes.py"
    assert checks_of(command, "mutation/runs.py") == Checks(
        OPTIONS[:2],
        [
            "tests/mutation/test_runs.py",
            "tests/mutation/test_page.py",
            "tests/mutation/test_warm.py",
            "tests/house/test_sizes.py",
        ],
    )


@pytest.mark.parametrize(
    ("body", "seconds", "passes"),
    [
        ("pass", 60.0, True),
        ("assert 1 == 2", 60.0, False),
        ("import threading; threading.Event().wait()", 0.5, False),
    ],
)
def test_all_have_to_pass_and_in_time(tmp_path: Path, body: str, seconds: float, passes: bool) -> None:
    (tmp_path / "test_a.py").write_text("def test_a() -> None:\n    pass\n")
    (tmp_path / "test_b.py").write_text(f"def test_b() -> None:\n    {body}\n")
    files = [str(tmp_path / "test_a.py"), str(tmp_path / "test_b.py")]
    assert Checks(OPTIONS, files).pass_within(seconds) is passes
