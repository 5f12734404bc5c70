"""Accepted fields that nothing acts on yet: each is in the documentation, and a finding when a user sets it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from sluice_config.findings import Finding, Level
from sluice_config.resources.parse import AnyResource

NOT_HONOURED: Final = "NotHonoured"

UNSERVED_VENDORS = frozenset({"azure", "anthropic", "google", "cohere"})
"""Vendors whose API's shape no adapter speaks yet."""


def _always(_: Any) -> bool:
    return True


def _enabled(section: Any) -> bool:
    return bool(section.enabled)


def _other_than(default: Any) -> Callable[[Any], bool]:
    return lambda value: bool(value != default)


@dataclass(frozen=True, slots=True)
class Unhonoured:
    """One field that nothing acts on. `instead` is what happens in its place.

    `path` has the attributes' names below spec. `asks` tells whether a value asks for anything: the API server
    writes plain defaults into stored objects, and a default that does what happens anyway is no disappointment.
    """

    kind: str
    path: tuple[str, ...]
    instead: str
    asks: Callable[[Any], bool] = _always
    only: str = ""
    """For the documentation: the values that are meant, when not all are."""

    @property
    def field(self) -> str:
        """The path as users write it: spec.targets[].weight."""
        return ".".join(("spec", *(to_camel(name) for name in self.path)))

    @property
    def message(self) -> str:
        """The finding's text."""
        return f"accepted, but nothing acts on it yet: {self.instead}"


TABLE = (
    Unhonoured(
        "ProviderPolicy",
        ("provider",),
        "targets of this provider stay out",
        lambda vendor: vendor in UNSERVED_VENDORS,
        f" {', '.join(sorted(UNSERVED_VENDORS))}",
    ),
    Unhonoured("ProviderPolicy", ("azure",), "targets of this provider stay out"),
    Unhonoured("ProviderPolicy", ("google",), "targets of this provider stay out"),
    Unhonoured("ProviderPolicy", ("compatibility",), "requests are passed on as the caller wrote them"),
    Unhonoured(
        "ProviderPolicy",
        ("parameter_policy",),
        "parameters are passed on as the caller wrote them",
        _other_than("strict"),
        " clamp, drop",
    ),
    Unhonoured("ProviderPolicy", ("models", "max_output_tokens"), "answers are as long as the provider makes them"),
    Unhonoured("ProviderPolicy", ("models", "quality"), "quality does not change the order of targets"),
    Unhonoured("ProviderPolicy", ("discovery",), "only the models listed in spec.models are offered", _enabled),
    Unhonoured("ProviderPolicy", ("retry",), "the next target is tried, and none a second time"),
    Unhonoured("ProviderPolicy", ("circuit_breaker",), "a failing target is tried for each request"),
    Unhonoured("ProviderPolicy", ("rate_limit",), "requests are not limited"),
    Unhonoured("ProviderPolicy", ("health_check",), "no checks are made", _enabled),
    Unhonoured("ProviderPolicy", ("image_fetch",), "image URLs are passed on as the caller wrote them", _enabled),
    Unhonoured("ModelRoute", ("targets", "weight"), "targets are tried by priority", _other_than(1)),
    Unhonoured("ModelRoute", ("strategy",), "targets are tried by priority", _other_than("priority"), " but priority"),
    Unhonoured("ModelRoute", ("allowed_strategies",), "the header x-routing-strategy changes nothing"),
    Unhonoured("ModelRoute", ("scoring",), "targets are tried by priority"),
    Unhonoured("ModelRoute", ("stickiness",), "each request is routed by itself", _other_than("none")),
    Unhonoured("ModelRoute", ("hedging",), "one target is asked at a time", _enabled),
    Unhonoured("ModelRoute", ("limits",), "requests are not limited"),
    Unhonoured("ModelRoute", ("cache_policy",), "nothing is cached"),
    Unhonoured("ModelRoute", ("autoscaling",), "the number of pods stays as it is"),
    Unhonoured("CachePolicy", (), "nothing is cached"),
)


def unhonoured(resource: AnyResource) -> Iterator[Finding]:
    """Findings of level info about fields that the user set and nothing acts on: one per entry of the table."""
    for entry in _BY_KIND.get(resource.kind, ()):
        where = _first_asking(resource.spec, entry.path, entry.asks)
        if where is not None:
            yield Finding(resource.key, f"spec{where}", Level.INFO, NOT_HONOURED, entry.message)


def _first_asking(section: BaseModel, path: Sequence[str], asks: Callable[[Any], bool]) -> str | None:
    """Where below `section` the path is set to a value that asks for something; items of lists are looked through."""
    if not path:
        return "" if asks(section) else None
    name, *rest = path
    if name not in section.model_fields_set:
        return None
    value = getattr(section, name)
    where = f".{to_camel(name)}"
    if not rest:
        return where if asks(value) else None
    for index, item in enumerate(value):
        below = _first_asking(item, rest, asks)
        if below is not None:
            return f"{where}[{index}]{below}"
    return None


_BY_KIND = {kind: tuple(entries) for kind, entries in groupby(TABLE, key=lambda entry: entry.kind)}


def markdown() -> str:
    """The list for people, with a heading for each kind."""
    lines = []
    for kind, entries in _BY_KIND.items():
        lines += [f"### {kind}", "", *(f"- `{entry.field}`{entry.only}: {entry.instead}" for entry in entries), ""]
    return "\n".join(lines)
