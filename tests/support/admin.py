"""The admin paths on a door of their own, over real parts whose time a test moves."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice_gateway.calls import Call
from sluice_gateway.credentials import Credentials
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable, build_table
from sluice_gateway.server.admin.access import Access
from sluice_gateway.server.admin.limits import Limits
from sluice_gateway.server.admin.overrides import Overrides
from sluice_gateway.server.admin.paths import Admin, Teller
from sluice_gateway.server.admin.providers import Occupied, Providers
from sluice_gateway.server.door import Methods
from sluice_gateway.server.served import Serving
from sluice_gateway.telemetry.log import Logger
from sluice_gateway.telemetry.target_figures import TargetFigures
from sluice_gateway.upstream import LeanUpstream
from tests.support.doors import OpenDoor, open_door
from tests.support.gateway import loaded
from tests.support.moving_time import MovingTime

WALL = 1_800_000_000.0
"""2027-01-15T08:00:00Z"""


def table_of(*documents: str) -> RoutingTable:
    event = loaded("".join(documents))
    return build_table(event.snapshot, event.digest, Credentials(), LeanUpstream())


def explained(table: RoutingTable, call: Call, strategy: str, consumer: str) -> Mapping[str, Any]:
    """Stands for the planner's: what it was asked."""
    return {"model": call.model, "answer": "from x", "because": f"{strategy} {consumer} {call.shape}"}


@dataclass
class Parts:
    """What the admin paths look at and change."""

    table: RoutingTable | None
    time: MovingTime = field(default_factory=MovingTime)
    breakers: Breakers = field(default_factory=Breakers)
    figures: TargetFigures = field(default_factory=TargetFigures)
    health: list[Mapping[str, Any]] = field(default_factory=list)
    discovery: list[Mapping[str, Any]] = field(default_factory=list)
    occupied: list[Occupied] = field(default_factory=list)
    news: Teller | None = None
    token_file: Path | None = None
    explain: Callable[[RoutingTable, Call, str, str], Mapping[str, Any]] = explained
    overrides: Overrides = field(init=False)
    store: LocalStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = LocalStore(lambda: WALL + self.time.clock())
        self.overrides = Overrides(self.breakers, self.time.clock)
        if self.table is not None:
            self.overrides.follow(self.table)

    def paths(self, logger: Logger) -> Mapping[str, Methods]:
        clock = self.time.clock
        admin = Admin(
            access=Access(self.token_file, local=True, logger=logger),
            serving=Serving(lambda: self.table),
            breakers=self.breakers,
            overrides=self.overrides,
            providers=Providers(
                self.figures,
                self.breakers,
                Limits(self.store),
                clock,
                health=lambda: self.health,
                discovery=lambda: self.discovery,
                occupied=lambda: self.occupied,
            ),
            limits=Limits(self.store),
            explain=self.explain,
            news=self.news,
            clock=clock,
            wall=lambda: WALL,
            logger=logger,
            max_body_bytes=10_000,
        )
        return admin.paths()


@contextlib.asynccontextmanager
async def admin(*documents: str, **parts: Any) -> AsyncIterator[tuple[OpenDoor, Parts]]:
    """A door for the resources in ``documents``; without any, nothing has been loaded yet."""
    own = Parts(table_of(*documents) if documents else None, **parts)
    async with open_door(own.paths) as door:
        yield door, own
