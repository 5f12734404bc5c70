"""All wire shapes: those that are shipped, and those that installed packages bring."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from sluice_gateway.providers.adapter import Wire
from sluice_gateway.providers.anthropic import ANTHROPIC
from sluice_gateway.providers.azure import AZURE, AZURE_V1, AZURE_V1_BASED
from sluice_gateway.providers.cohere import COHERE
from sluice_gateway.providers.google import GOOGLE, VERTEX
from sluice_gateway.providers.openai import OPENAI

GROUP = "sluice.wires"

_SHIPPED: Mapping[str, Wire] = {
    wire.name: wire for wire in (ANTHROPIC, AZURE, AZURE_V1, AZURE_V1_BASED, COHERE, GOOGLE, OPENAI, VERTEX)
}


@cache
def wire_named(name: str) -> Wire | None:
    """The wire shape of a name, None when there is none. Shipped ones win over those of packages.

    Raises what a package's module raises at import; TypeError when its entry point is no Wire.
    """
    if name in _SHIPPED:
        return _SHIPPED[name]
    for entry in entry_points(group=GROUP, name=name):
        wire = entry.load()
        if not isinstance(wire, Wire):
            raise TypeError(f"the entry point {name} of {GROUP} is not a Wire")
        return wire
    return None
