"""The repository's files, as git knows them: committed or about to be."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("crds/", "gateway/", "operator/")
LIMITED = (*SOURCE, "bench/", "mutation/")


@dataclass(frozen=True)
class Function:
    """A function or method: where it starts, and how many lines it has without its decorators."""

    path: str
    line: int
    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name} has {self.lines} lines"


@cache
def files() -> tuple[str, ...]:
    """Every tracked or addable file's path, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted({path for path in listed.split("\0") if path and (ROOT / path).is_file()}))


def python_files(*folders: str) -> tuple[str, ...]:
    """The Python files below the folders."""
    return tuple(path for path in files() if path.startswith(folders) and path.endswith(".py"))


@cache
def text(path: str) -> str:
    """A file's text; bytes that are not UTF-8 are replaced."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def line_count(path: str) -> int:
    """How many lines a file has."""
    return len(text(path).splitlines())


def functions(path: str) -> Iterator[Function]:
    """Every function and method of a Python file, nested ones too."""
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(path, node.lineno, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)


def percentile(values: list[int], percent: int) -> int:
    """The value that ``percent`` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
