"""Telling of events: a line in the log, and a POST to a webhook where there is one. Never a storm of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from sluice_gateway.alerts.event import Field, Kind, Subject, subject_of
from sluice_gateway.telemetry.log import Logger

PAUSE_SECONDS = 60.0
"""Between two events of one kind about the same subject."""
_MOST_SUBJECTS = 4096  # callers choose the models of targets that name none


class Delivery(Protocol):
    """Who takes events elsewhere."""

    def post(self, kind: Kind, fields: dict[str, Field]) -> None:
        """Take an event, and return at once. Raises nothing."""
        ...

    async def close(self) -> None:
        """Give up what is still to be taken."""
        ...


class _Told:
    """What was told of one subject: the latest kind, when each kind was told last, and who waits to tell the next."""

    __slots__ = ("at", "latest", "waiting")

    def __init__(self) -> None:
        self.latest: Kind | None = None
        self.at: dict[Kind, float] = {}
        self.waiting: asyncio.Task[None] | None = None


class Alerts:
    """Tells of events. ``clock`` gives seconds that only grow. Used by tasks of one event loop."""

    def __init__(
        self,
        logger: Logger,
        clock: Callable[[], float],
        webhook: Delivery | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._webhook = webhook
        self._sleep = sleep
        self._told: dict[Subject, _Told] = {}

    def event(self, kind: Kind, **fields: Field) -> None:
        """Something has happened. ``fields`` hold no secret; none of them is called ``kind``.

        What was just told is not told again. What is news, but was told within the last minute before something else
        of its subject, is told when the minute is over, if it still holds: so the last that is heard is true.
        """
        subject = subject_of(kind, fields)
        told = self._told.get(subject) or self._add(subject)
        if told.waiting is not None:
            told.waiting.cancel()
            told.waiting = None
        wait = told.at.get(kind, float("-inf")) + PAUSE_SECONDS - self._clock()
        if wait <= 0:
            self._tell(told, kind, fields)
        elif told.latest != kind:
            told.waiting = asyncio.create_task(self._tell_later(wait, told, kind, fields))

    def _add(self, subject: Subject) -> _Told:
        if len(self._told) >= _MOST_SUBJECTS:
            oldest = self._told.pop(next(iter(self._told)))
            if oldest.waiting is not None:
                oldest.waiting.cancel()
        added = self._told[subject] = _Told()
        return added

    async def _tell_later(self, seconds: float, told: _Told, kind: Kind, fields: dict[str, Field]) -> None:
        await self._sleep(seconds)
        told.waiting = None
        self._tell(told, kind, fields)

    def _tell(self, told: _Told, kind: Kind, fields: dict[str, Field]) -> None:
        told.latest, told.at[kind] = kind, self._clock()
        self._logger.warning("alert", kind=kind, **fields)
        if self._webhook is not None:
            self._webhook.post(kind, fields)

    async def close(self) -> None:
        """Tell nobody any more."""
        for told in self._told.values():
            if told.waiting is not None:
                told.waiting.cancel()
        self._told.clear()
        if self._webhook is not None:
            await self._webhook.close()
