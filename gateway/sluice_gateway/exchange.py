"""One request on its way through the pipeline, and what comes of it."""

from typing import NamedTuple

from sluice_gateway.calls import Call
from sluice_gateway.relay import Client
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.telemetry.record import Record


class Reply(NamedTuple):
    """A whole answer for the caller, in JSON."""

    body: bytes


class Exchange(NamedTuple):
    """One request on its way.

    ``deadline`` is the loop's time by which it must have ended, None without one of the caller's own; ``strategy`` the
    one that the caller has asked for, "" without.
    """

    call: Call
    table: RoutingTable
    record: Record
    client: Client
    deadline: float | None
    strategy: str = ""
