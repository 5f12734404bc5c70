"""The connections to one origin: last in, first out; bounded; fair to those who wait."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sluice_gateway.upstream.connection import Connection
from sluice_gateway.upstream.errors import ConnectFailed, ConnectionLost


class Occupancy(NamedTuple):
    """Connections of one pool: `open` counts those being made and the idle ones, `waiting` is callers without one."""

    open: int
    idle: int
    waiting: int


class Pool:
    """Hands out connections to one origin, at most `limit` at a time, of which at most `idle_limit` unused.

    A place is taken before a connection is made, and given back when it is closed: to the first who waits, if any.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, dial: Callable[[], Awaitable[Connection]], limit: int, idle_limit: int
    ) -> None:
        self.time = loop.time
        self._loop = loop
        self._dial = dial
        self._limit = limit
        self._idle_limit = idle_limit
        self._places = 0
        self._closed = False
        self.idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()

    @property
    def occupancy(self) -> Occupancy:
        """What the pool holds now."""
        return Occupancy(self._places, len(self.idle), len(self._waiters))

    async def connect(self, *, fresh: bool) -> tuple[Connection, bool]:
        """A connection, and whether it has served before; never one that has when `fresh`. Raises ConnectFailed.

        For callers who found nothing idle, or must not take it.
        """
        while (pooled := await self._place()) is not None:
            if not fresh:
                return pooled, True
            if not pooled.closed:
                # Its place is kept for the new one.
                pooled.keeper = None
                pooled.drop()
                break
        try:
            connection = await self._dial()
        except BaseException:
            self._free_place()
            raise
        if connection.closed:
            self._free_place()
            raise ConnectionLost(answered=False)
        connection.keeper = self
        return connection, False

    def put(self, connection: Connection) -> None:
        """A connection is free: for the first who waits, else to be kept."""
        if self._closed:
            connection.drop()
            return
        if self._hand_over(connection):
            return
        self.idle.append(connection)
        if len(self.idle) > self._idle_limit:
            self.idle[0].drop()

    def lost(self, connection: Connection) -> None:
        """A connection of this pool is closed."""
        if connection in self.idle:
            self.idle.remove(connection)
        self._free_place()

    async def close(self) -> None:
        """Close idle connections, refuse those who wait; connections in use close when their exchange ends."""
        self._closed = True
        idle = list(self.idle)
        for connection in idle:
            connection.drop()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectFailed("the client is closed"))
        for connection in idle:
            await connection.wait_gone()

    async def _place(self) -> Connection | None:
        """A place for a new connection, or one that has a place."""
        if self._closed:
            raise ConnectFailed("the client is closed")
        if self._places < self._limit:
            self._places += 1
            return None
        if self.idle:
            return self.idle.pop(0)
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise

    def _give_up(self, waiter: "asyncio.Future[Connection | None]") -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            given = waiter.result()
            if given is None:
                self._free_place()
            elif not given.closed:
                self.put(given)

    def _free_place(self) -> None:
        if not self._hand_over(None):
            self._places -= 1

    def _hand_over(self, given: Connection | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(given)
                return True
        return False
