"""Accepted fields that nothing acts on yet: each is in the documentation, and a finding when a user sets it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from sluice_config.findings import Finding, Level
from sluice_config.resources.parse import AnyResource

NOT_HONOURED: Final = "NotHonoured"

Path = tuple[tuple[str, str], ...]
"""Names of nested fields, each as users write it and as attribute."""


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Unhonoured:
    """One field that nothing acts on. `instead` is what happens in its place.

    `field` is a path as users write it ("spec.cachePolicy"). `asks` tells whether a value asks for
    anything: the API server writes plain defaults into stored objects, and a default that does what happens anyway is
    no disappointment.
    """

    kind: str
    field: str
    instead: str
    asks: Callable[[Any], bool] = _always

    @property
    def path(self) -> Path:
        """The names below spec."""
        return tuple((name, to_snake(name)) for name in self.field.split(".")[1:])

    @property
    def message(self) -> str:
        """The finding's text."""
        return f"accepted, but nothing acts on it yet: {self.instead}"


TABLE = (
    Unhonoured("ModelRoute", "spec.cachePolicy", "nothing is cached"),
    Unhonoured("CachePolicy", "spec", "nothing is cached"),
)


def unhonoured(resource: AnyResource) -> Iterator[Finding]:
    """Findings of level info about fields that the user set and nothing acts on: one per entry of the table."""
    for entry, path in _BY_KIND.get(resource.kind, ()):
        where = _first_asking(resource.spec, path, entry.asks)
        if where is not None:
            yield Finding(resource.key, f"spec{where}", Level.INFO, NOT_HONOURED, entry.message)


def _first_asking(section: BaseModel, path: Path, asks: Callable[[Any], bool]) -> str | None:
    """Where below `section` the path is set to a value that asks for something."""
    if not path:
        return "" if asks(section) else None
    (name, attribute), *rest = path
    if attribute not in section.model_fields_set:
        return None
    below = getattr(section, attribute)
    if not rest:
        return f".{name}" if asks(below) else None
    found = _first_asking(below, tuple(rest), asks)
    return None if found is None else f".{name}{found}"


_BY_KIND = {
    kind: [(entry, entry.path) for entry in entries] for kind, entries in groupby(TABLE, key=lambda entry: entry.kind)
}


def markdown() -> str:
    """The list for people, with a heading for each kind."""
    lines = []
    for kind, entries in _BY_KIND.items():
        lines += [f"### {kind}", ""]
        for entry, _ in entries:
            lines.append(f"- `{entry.field}`: {entry.instead}")
        lines.append("")
    return "\n".join(lines)
