"""Figures as people read them: medians with their spread, tables, and the page that keeps them."""

import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, with the lowest and the highest in brackets when there are several."""
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) < 2 else f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many per cent of the values do not exceed (nearest rank)."""
    return sorted(values)[max(0, -int(-len(values) * percent // 100) - 1)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up in a terminal."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def circumstances() -> str:
    """When, on what, with which Python."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = int(_lines("/proc/meminfo")[0].split()[1]) / 1024 / 1024
    cores = sum(line.startswith("processor") for line in _lines("/proc/cpuinfo"))
    machine = (
        f"{cores} cores{f' of {model}' if model else ''}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"
    )
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def keep(part: str, text: str, file: Path = PAGE) -> None:
    """Put the text between the part's markers on the page. Raises ValueError when it has none."""
    page = file.read_text()
    begin, end = f"<!-- {part}: written by python -m bench {part} --write -->\n", f"<!-- end of {part} -->"
    before, found, rest = page.partition(begin)
    if not found or end not in rest:
        raise ValueError(f"{file.name} has no place for {part}")
    file.write_text(f"{before}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}")
