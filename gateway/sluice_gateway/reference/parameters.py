"""What each takes of a request."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from sluice_gateway.providers.parameters import Parameters
from sluice_gateway.providers.registry import SHIPPED
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.reference.tables import code, section, table

_ABOUT = """For callers of other shapes, by the names of OpenAI's chat completions. What is not taken is a 400 that
names the field, or dropped, or brought into range, as `parameterPolicy` says; values that ask for what happens anyway
and mere hints (`user`, `metadata`, where to cache) are left out."""
_OWN = "Fields of the provider's own API that a body may have beside those of the caller's shape."
Aspect = TypeVar("Aspect")
_NAMES = {"format": "response_format", "reasoning": "reasoning_effort"}


def sections() -> Iterator[str]:
    """One table of bounds, one of own members."""
    titles = ("who", "does not take", "ranges", "stop sequences")
    bounds = [(code(*who), *_bounds(parameters)) for who, parameters in _together(lambda parameters: parameters)]
    yield section("Parameters", _ABOUT, table(titles, bounds))
    owns = [
        (code(*who), code(*sorted(extra))) for who, extra in _together(lambda parameters: parameters.extra) if extra
    ]
    yield section("Own members", _OWN, table(("who", "members"), owns))


def _together(aspect: Callable[[Parameters], Aspect]) -> list[tuple[list[str], Aspect]]:
    """Those who have an aspect in common."""
    found: list[tuple[list[str], Aspect]] = []
    for who, parameters in _takers():
        own = aspect(parameters)
        for names, others in found:
            if others == own:
                names.append(who)
                break
        else:
            found.append(([who], own))
    return found


def _takers() -> Iterator[tuple[str, Parameters]]:
    """What each vendor takes: its shape's, or less."""
    for name, vendor in VENDORS.items():
        yield name, vendor.quirks.parameters or SHIPPED[vendor.wire].parameters


def _bounds(parameters: Parameters) -> tuple[str, ...]:
    refused = code(*sorted(_NAMES.get(name, name) for name in parameters.unsupported))
    ranges = ", ".join(
        f"{code(_NAMES.get(name, name))} {least:.10g} to {most:.10g}"
        for name, (least, most) in parameters.ranges.items()
    )
    stops = "any number" if parameters.most_stops is None else f"up to {parameters.most_stops}"
    return refused, ranges, stops
