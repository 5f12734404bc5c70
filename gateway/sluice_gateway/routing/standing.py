"""What a plan may know of a target at the moment when it is made."""

from collections.abc import Callable
from typing import NamedTuple

from sluice_gateway.routing.table import Target


class Expected(NamedTuple):
    """What a call is expected to take, in seconds: as lately seen, or a prior where little was seen.

    ``per_token`` is of an answer's tokens after the first. ``success`` is a rate, 0 to 1. ``seen``: how much evidence
    there is, in attempts, old ones counting less; ``idle``: seconds since the target was last asked, inf when never.
    """

    first_byte: float
    total: float
    per_token: float
    success: float
    seen: float
    idle: float


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


Look = Callable[[Target, str, int], Standing]
"""How a target stands: for a target, the provider's name of the model, and the tokens that the request may take."""
Expect = Callable[[Target, str], Expected]
"""What a call to a target's model is expected to take. Asked only by strategies that need it."""
