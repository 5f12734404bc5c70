"""Text that no tracked file may hold. Each pattern is written so that it does not match itself."""

import re

from tests.house.tree import files, python_files, text

SUPPRESSIONS = re.compile(
    r"#\s*(?:ruff:|flake8:)?\s*no[q]a|#\s*type:\s*ignor[e]|pragma:\s*no\s[c]over|#\s*mypy:|#\s*pyright:|#\s*fmt:\s*(?:off|skip)"
)
REGISTRIES = re.compile(
    r"py[p]i\.org|pythonhosted\.or[g]|npmj[s]\.|crates\.i[o]|proxy\.gola[n]g|maven\.or[g]|maven\.apach[e]|deb\.debia[n]|--(?:extra-)?index-ur[l]\s*=?\s*\S*://",
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.:/-])/(?:wor[k]|roo[t]|home/\w+)(?:/|\b(?![\w-]))")
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}


def offenders(pattern: re.Pattern[str], paths: tuple[str, ...]) -> str:
    """``path:line: text`` of every match, a line each."""
    return "\n".join(
        f"{path}:{number}: {line.strip()[:160]}"
        for path in paths
        for number, line in enumerate(text(path).splitlines(), start=1)
        if pattern.search(line)
    )


def test_nothing_suppresses_a_check() -> None:
    assert not (found := offenders(SUPPRESSIONS, python_files(""))), f"fix the cause instead:\n{found}"


def test_no_registry_host_is_named() -> None:
    assert not (found := offenders(REGISTRIES, files())), f"the clients know their registry:\n{found}"


def test_no_path_of_one_machine_is_named() -> None:
    assert not (found := offenders(MACHINE_PATHS, files())), f"paths are relative, or arguments:\n{found}"


def test_names_say_what_a_file_is_for() -> None:
    vague = [path for path in python_files("") if VAGUE_NAMES & set(path.removesuffix(".py").split("/"))]
    assert not vague, f"name them after what they hold: {vague}"


def test_no_folder_shadows_the_standard_library() -> None:
    """A package named ``operator`` on the path would take the place of the standard library's module."""
    shadowing = {"operator/__init__.py", "tests/operator/__init__.py"} & set(files())
    assert not shadowing


def test_the_patterns_find_what_they_are_for() -> None:
    assert SUPPRESSIONS.search("x = 1  # no" + "qa: E501")
    assert SUPPRESSIONS.search("x = 1  # type: " + "ignore[misc]")
    assert REGISTRIES.search("https://py" + "pi.org/simple")
    assert MACHINE_PATHS.search("cd /wor" + "k/main")
    assert not MACHINE_PATHS.search("https://sluice.dev/work" + "s")
