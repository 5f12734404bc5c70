"""Reserve, then settle: what a limit is asked for, what it answers, and who keeps count.

A request reserves what it may use before it begins, and is settled with what it has used however it ends. So a limit is
never passed by more than the reservations under way were estimated too low.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol


class Unit(StrEnum):
    """What is counted. Money comes as another unit: a whole number of its smallest part."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    PLACES = "concurrent"


Span = Literal["minute", "hour", "day", "month"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, of all or of one consumer.

    ``holder`` is the resource that has it ("ModelRoute/namespace/name", "ProviderPolicy/..."), ``name`` its name there;
    ``consumer`` "" where all share it. What one reservation asks for has one holder: its counters are kept together.

    ``span`` is the calendar window of ``zone`` in which ``most`` may be used; without one it is a bucket, which holds
    ``most`` when full and gains as much a minute, or the places of ``Unit.PLACES``. ``closed``: refuse while the
    counters can't be read. ``key`` tells counts apart: a limit that only holds more or less goes on with its count.
    """

    holder: str
    name: str
    unit: Unit
    most: int
    span: Span | None = None
    zone: str = "UTC"
    consumer: str = ""
    closed: bool = False
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = (self.holder, self.name, self.consumer, self.unit, self.span or "", self.zone if self.span else "")
        object.__setattr__(self, "key", "\n".join(parts))  # looked up several times a request

    def __hash__(self) -> int:
        return hash(self.key)


class Charge(NamedTuple):
    """What a request asks of a limit: 1 for requests and places, an estimate for tokens."""

    limit: Limit
    amount: int


class Level(NamedTuple):
    """How full a limit is after a question. ``reset``: seconds until it is whole again (of a bucket: when full)."""

    limit: Limit
    remaining: int
    reset: float


class Used(NamedTuple):
    """What a request has really used; tokens of the prompt and of the answer."""

    tokens: int = 0


class Granted(NamedTuple):
    """All charges were taken. ``key`` is for the store that gave it."""

    levels: tuple[Level, ...]
    charges: tuple[Charge, ...]
    key: object = None


class Refused(NamedTuple):
    """Nothing was taken, for ``limit`` has no room: the one with the longest wait, if there are several.

    ``retry_after``: seconds until it may have; None when it never will, for more is asked for than it holds at most.
    ``away``: the counters can't be read, and the limit is closed then.
    """

    levels: tuple[Level, ...]
    limit: Limit
    retry_after: float | None
    away: bool = False


class Store(Protocol):
    """Who keeps count."""

    def at_once(self, charges: Sequence[Charge], /, *, levels: bool = True) -> Granted | Refused | None:
        """What ``reserve`` would answer, where nobody else needs to be asked; else None, and nothing was taken. Without
        ``levels``, those may be left out.
        """
        ...

    async def reserve(self, charges: Sequence[Charge]) -> Granted | Refused:
        """Take all charges, of one holder and each of another limit, or none. Raises nothing; waits for at most its own
        time-out. A caller that is cancelled while it waits has taken nothing.
        """
        ...

    async def reserve_each(self, questions: Sequence[Sequence[Charge]]) -> list[Granted | Refused]:
        """Several reservations, each for itself and of a holder of its own, asked at the same time."""
        ...

    def undo(self, granted: Granted) -> None:
        """Give everything back, requests too: nothing became of it. In the place of ``settle``."""
        ...

    def settle(self, granted: Granted, used: Used) -> None:
        """Put what was used in the place of what was reserved, and give places back. Once for each ``Granted``. Returns
        at once; requests stay counted. What the same process reserves afterwards sees it.
        """
        ...
