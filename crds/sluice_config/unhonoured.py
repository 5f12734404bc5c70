"""Accepted fields that nothing acts on yet: no field is ignored in silence."""

from collections.abc import Iterator

from sluice_config.findings import Finding
from sluice_config.resources.base import Resource

UNSERVED_VENDORS = frozenset({"azure", "anthropic", "google", "cohere"})
"""Vendors whose API's shape no adapter speaks yet."""


def unhonoured(resource: Resource) -> Iterator[Finding]:
    """Findings of level info about fields that the user set and nothing honours."""
    _ = resource
    yield from ()
