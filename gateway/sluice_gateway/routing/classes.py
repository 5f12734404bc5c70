"""What kind of request it is, for the strategy smart: read off its fields and words, by rules that always say the same.

The rules are tried from the first to the last, and the first that fits decides.
"""

from typing import NamedTuple

from sluice_gateway.calls import Call
from sluice_gateway.routing.needs import Needs


class Class(NamedTuple):
    """A kind of request. ``cost``, ``latency`` and ``capability`` are times the route's scoring weights; targets rated
    below ``floor`` come after all others; ``asked``: capabilities that are weighed beside those that it needs.
    """

    name: str
    cost: float = 1.0
    latency: float = 1.0
    capability: float = 1.0
    floor: int = 0
    asked: tuple[str, ...] = ()


GENERAL = Class("general")


def classify(_call: Call, _needs: Needs) -> tuple[Class, str]:
    """The class of a request, and why."""
    return GENERAL, "nothing in particular"
