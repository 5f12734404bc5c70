"""Who is spoken to how."""

import dataclasses
from collections.abc import Iterator

import msgspec

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry as dialects
from sluice_gateway.providers.adapter import Quirks, Wire
from sluice_gateway.providers.registry import SHIPPED
from sluice_gateway.providers.vendors import VENDORS, Vendor
from sluice_gateway.reference.tables import code, section, table
from sluice_gateway.server.app import ENDPOINTS

_PLAIN = Quirks()
_OF_VENDORS = ("provider", "wire shape", "base URL", "key", "environment")
_OF_WIRES = ("wire shape", "chat", "streams", "embeddings", "headers", "images by URL")

_VENDORS = """What a policy need not say. A base URL of the policy's own wins; `-` is one that each installation has for
itself. The environment's variables are asked in local mode, when the policy's Secret is not there; first match wins."""
_WIRES = """Paths stand behind the base URL. A package may bring more shapes (`docs/wire-shapes.md`), which
`compatibility.wireShape` names."""
_ENDPOINTS = """*relayed*: byte for byte but for the model's name and what a policy or a quirk says; *translated*:
through the normal form; *estimated*: by the gateway itself; `-`: refused by name."""
_QUIRKS = "How vendors differ from the shape that they speak; what a ProviderPolicy's `compatibility` says is added."


def sections() -> Iterator[str]:
    """Vendors, wire shapes, endpoints, quirks."""
    yield section("Vendors", _VENDORS, table(_OF_VENDORS, map(_vendor, VENDORS)))
    yield section("Wire shapes", _WIRES, table(_OF_WIRES, map(_wire, SHIPPED.values())))
    served = (_served(name, wire) for name, vendor in VENDORS.items() for wire in _wires(vendor))
    yield section("Endpoints", _ENDPOINTS, table(("provider", "wire shape", *map(code, ENDPOINTS)), served))
    quirks = [
        (code(name), "; ".join(phrases)) for name, one in VENDORS.items() if (phrases := list(_quirks(one.quirks)))
    ]
    yield section("Quirks", _QUIRKS, table(("provider", "what it does"), quirks))


def _vendor(name: str) -> tuple[str, ...]:
    vendor = VENDORS[name]
    wire = SHIPPED[vendor.wire]
    url = code(vendor.base_url) if vendor.base_url else ""
    key = "" if name == "mock" else code(f"{wire.key_header}: {wire.key_prefix}KEY")
    return code(name), code(*_wires(vendor)), url, key, code(*vendor.environment)


def _wires(vendor: Vendor) -> tuple[str, ...]:
    """The shape, and its variants by what a policy says."""
    variants = {"azure": ("azure", "azure-v1", "azure-v1-based"), "google": ("google", "vertex")}
    return variants.get(vendor.wire, (vendor.wire,))


def _wire(wire: Wire) -> tuple[str, ...]:
    headers = code(*(f"{name}: {value}" for name, value in wire.headers))
    streams = code(wire.chat_stream) if wire.chat_stream else "the same"
    embeddings = code(wire.embeddings_path) if wire.embeddings_path else ""
    images = "yes" if wire.image_urls else "as data alone; `imageFetch` lets the gateway fetch them"
    return code(wire.name), code(wire.chat), streams, embeddings, headers, images


def _served(name: str, wire: str) -> tuple[str, ...]:
    return code(name), code(wire), *(_way(shape, VENDORS[name], SHIPPED[wire]) for shape in ENDPOINTS.values())


def _way(shape: Shape, vendor: Vendor, wire: Wire) -> str:
    if shape in wire.native and shape in vendor.native:
        return "relayed"
    if shape in dialects.CHAT or (shape in dialects.EMBEDDINGS and wire.embeddings and shape not in wire.native):
        return "translated"
    return "estimated" if shape in dialects.LOCAL else ""


def _quirks(quirks: Quirks) -> Iterator[str]:
    """Each difference as a phrase; ``parameters`` have a table of their own."""
    if quirks.unsupported:
        yield f"refuses or ignores {code(*sorted(quirks.unsupported))}"
    for old, new in quirks.renamed.items():
        yield f"{code(old)} is called {code(new)}"
    renamed = {member: own for member, own in quirks.in_answers.items() if own}
    if unknown := [member for member in quirks.in_answers if member not in renamed]:
        yield f"refuses {code(*unknown)} of earlier answers, which are left out"
    for member, own in renamed.items():
        yield f"{code(member)} of earlier answers is called {code(own)}"
    if quirks.thoughts:
        needed = ", and refuses calls of tools without" if quirks.thoughts_needed else ""
        yield f"wants its reasoning back as {code(quirks.thoughts)}{needed}"
    if quirks.no_thinking != _PLAIN.no_thinking:
        yield f"stops thinking with {code(msgspec.json.encode(quirks.no_thinking).decode())}"
    yield from (_FLAGS[name] for name in _FLAGS if getattr(quirks, name) != getattr(_PLAIN, name))
    if quirks.longest_name:
        yield f"takes names of tools of up to {quirks.longest_name} characters"


_FLAGS = {
    "usage_in_stream": "knows no `stream_options.include_usage`",
    "max_tokens": "takes the longest answer as `max_completion_tokens`",
    "text_parts": "takes several texts as a list",
    "json_schema": "holds answers to JSON, but to no schema",
    "named_choice": "can't be made to call one tool by its name: only that one is offered, and some call demanded",
}
_TOLD = {"unsupported", "renamed", "in_answers", "thoughts", "thoughts_needed", "no_thinking", "longest_name"}
UNTOLD = {field.name for field in dataclasses.fields(Quirks)} - _FLAGS.keys() - _TOLD - {"parameters"}
"""Quirks that the page would be silent about; none."""
