"""All wire shapes: those that are shipped, and those that installed packages bring."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from sluice_gateway.providers.adapter import Wire
from sluice_gateway.providers.anthropic.wire import ANTHROPIC
from sluice_gateway.providers.cohere.wire import COHERE
from sluice_gateway.providers.google.wire import GOOGLE, VERTEX
from sluice_gateway.providers.openai.azure import AZURE, AZURE_V1, AZURE_V1_BASED
from sluice_gateway.providers.openai.wire import OPENAI

GROUP = "sluice.wires"

SHIPPED: Mapping[str, Wire] = {
    wire.name: wire for wire in (ANTHROPIC, AZURE, AZURE_V1, AZURE_V1_BASED, COHERE, GOOGLE, OPENAI, VERTEX)
}

_FIELDS = dict.fromkeys(("model", "api_version", "project", "location"), "")  # what a path may name (``Wire``)
_LONGEST_REASON = 200


class UnusableWire(ValueError):
    """A package brings a wire shape that can't be used. The text says which, and why."""


@cache
def wire_named(name: str) -> Wire | None:
    """The wire shape of a name, None when there is none. Shipped ones win over those of packages.

    Raises UnusableWire.
    """
    if name in SHIPPED:
        return SHIPPED[name]
    for entry in entry_points(group=GROUP, name=name):
        return _checked(entry)
    return None


def _checked(entry: EntryPoint) -> Wire:
    place = f"the wire shape {entry.name!r} of {entry.value!r}"
    try:
        wire = entry.load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        raise UnusableWire(f"{place} can't be imported: {reason}") from error
    if not isinstance(wire, Wire):
        raise UnusableWire(f"{place} is no Wire, but of type {type(wire).__name__}")
    for path in (wire.chat, wire.chat_stream or "", wire.embeddings_path, *(one.path for one in wire.native.values())):
        try:
            path.format(**_FIELDS)
        except (LookupError, ValueError) as error:
            raise UnusableWire(f"{place} has a path that is no template: {path!r}") from error
    return wire
