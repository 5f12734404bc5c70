"""Which time zones there are."""

from functools import cache
from importlib import resources


@cache
def _names() -> frozenset[str]:
    """The list of the package tzdata: what the host has may be older, or hold names that mean something else there."""
    return frozenset((resources.files("tzdata") / "zones").read_text(encoding="ascii").split())


def zone_exists(name: str) -> bool:
    """Whether it is a name of the IANA time zone database, in its exact case."""
    return name in _names()
