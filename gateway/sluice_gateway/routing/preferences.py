"""What callers have asked to be preferred for them, and who knows it."""

from typing import NamedTuple, Protocol

from sluice_config.resources.model_route import Strategy


class Preference(NamedTuple):
    """One consumer's. ``targets`` are names as ``provider/model``, the one liked best first; those that a route has
    come before its others, which ``strategy`` orders.
    """

    targets: tuple[str, ...] = ()
    strategy: Strategy = "balanced"


class Preferences(Protocol):
    """Who knows what consumers prefer."""

    def of(self, consumer: str) -> Preference | None:
        """A consumer's preference; None when there is none. At once: it is asked on the path of requests."""
        ...
