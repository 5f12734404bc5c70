"""What a plan may know of a target at the moment when it is made."""

from collections.abc import Callable
from typing import NamedTuple

from sluice_gateway.routing.table import Target
from sluice_gateway.telemetry.target_figures import Expected

__all__ = ["WELL", "Expect", "Expected", "Look", "Standing"]


class Standing(NamedTuple):
    """Where a target stands.

    ``closed`` says in words why it can't be asked now ("" when it can): a breaker that is open, a target that was taken
    out by hand. ``full`` says why it would have to wait (its provider's limits have no room), ``doubtful`` why it is
    asked after all others (its provider fails its health checks). ``wait``: seconds until what closes or fills it ends.
    """

    closed: str = ""
    full: str = ""
    doubtful: str = ""
    wait: float = 0.0


WELL = Standing()
"""Of most targets, most of the time."""

Look = Callable[[Target, str, int], Standing]
"""How a target stands: for a target, the provider's name of the model, and the tokens that the request may take."""
Expect = Callable[[Target, str], Expected]
"""What a call to a target's model is expected to take. Asked only by strategies that need it."""
