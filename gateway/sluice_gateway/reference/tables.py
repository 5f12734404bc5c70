"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns under their titles; what is empty is a dash."""
    lines = [titles, ["---"] * len(titles), *([cell or "-" for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(*words: str) -> str:
    """Names as they stand in code, side by side."""
    return ", ".join(f"`{word.replace('|', '&#124;')}`" for word in words)


def section(title: str, *blocks: str) -> str:
    """A heading and what stands below it."""
    return "\n\n".join((f"## {title}", *blocks))
