"""The connection to the state Redis: what is asked at the same time shares a round trip, and nobody waits for a server
that is away.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, cast

import hiredis
from redis import exceptions
from redis.asyncio import Connection, SSLConnection

from sluice_gateway.settings import StateAddress
from sluice_gateway.state import reasons
from sluice_gateway.state.due import Due
from sluice_gateway.state.scripts import Script
from sluice_gateway.telemetry.log import DefectsLogged, Logger, log_defect

PATIENCE = 0.1
"""Seconds from a question to its answer. A server that takes longer is away."""
CONNECT_SECONDS = 1.0
"""For a connection with TLS, a password and the scripts, while nobody waits for it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds between attempts to reach a server that is away: doubled each time, and each by chance half of it to all."""
STEADY = 10.0
"""Seconds after which a connection was a good one: what comes then is another failure, not the same one again."""
_PROBE_MILLISECONDS = 60_000
_ON_THE_WAY = 0.9  # the share of the patience within which to be carried out: the answer has its way to go, too
_QUIET_SECONDS = 60.0  # between two lines on commands that were refused

Command = tuple[bytes | str | int, ...]
packed: Callable[[Command], bytes] = cast("Any", hiredis.pack_command)
"""A command as it goes over the wire. (The library's own type speaks of commands of one word.)"""


class Gone(Exception):
    """The server is away: the text says why. Whether it has heard the command is not known."""


class Unfit(Gone):
    """The command was at fault, and not carried out; the server is well."""


Answered = Callable[[Any], None]
"""Called once, with what the server says (a number, bytes, a list), or with Gone. Raises nothing."""


Timely = Callable[[int], Command | None]
"""A command that must not be carried out later than somebody waits for it: called with the server's time, in
milliseconds, until which somebody does. None when nobody waits any more: then it is not asked, and nothing answered.
"""


class _Question(NamedTuple):
    command: Command | Timely
    answered: Answered
    asked: float  # the loop's time


class Link:
    """One connection, kept up from ``start`` to ``close``.

    ``first`` is asked for what goes ahead of each round trip's questions. ``returned`` are called whenever there is a
    new connection: the server may have been started anew, and know nothing. ``probe`` is a key that is written then: a
    server that can't be written to is of no use. ``observers`` hear why the server is away, or "" when it is back.
    """

    def __init__(
        self,
        address: StateAddress,
        scripts: Sequence[Script],
        probe: str,
        logger: Logger,
        *,
        patience: float = PATIENCE,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.available = False
        self.first: Callable[[], list[tuple[Command, Answered]]] = list
        self.observers: list[Callable[[str], None]] = []
        self.returned: list[Callable[[], None]] = []
        self._connection = connection_to(address)
        self._teaching: list[Command] = [("SCRIPT", "LOAD", script.text) for script in scripts]
        self._probing: list[Command] = [("TIME",), ("SET", probe, "", "PX", _PROBE_MILLISECONDS)]
        self._logger = logger
        self._patience = patience
        self._chance = chance
        self._sleep = sleep
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._ahead = time.time() - self._clock()
        self._waiting: deque[_Question] = deque()
        self._under_way: deque[_Question] = deque()
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()
        self._quiet_until = 0.0
        self._reason: str | None = None
        self._since = self._clock()
        self._task: asyncio.Task[None] | None = None

    def now(self) -> float:
        """The server's time, epoch seconds: what it said last and what has gone by since; ours before it ever spoke."""
        return self._clock() + self._ahead

    def heard(self, milliseconds: int) -> None:
        """Note what the server has just said of its time.

        Answers take their way, so that the latest time is the best one; a clock that was set back is believed too.
        """
        change = milliseconds / 1000 - self._clock() - self._ahead
        if change > 0 or change < -self._patience:
            self._ahead += change

    def ask(self, command: Command | Timely, answered: Answered, asked: float | None = None) -> None:
        """Send a command. ``answered`` hears of it within the link's patience, counted from ``asked`` when it is asked
        again, or at once when the server is away, or when it is too late to ask.
        """
        if not self.available:
            answered(Gone(self._reason or "not reached yet"))
            return
        now = self._clock()
        if asked is not None and now - asked >= _ON_THE_WAY * self._patience:
            answered(Gone("no answer in time"))
            return
        question = _Question(command, answered, now if asked is None else asked)
        if self._waiting and question.asked < self._waiting[0].asked:
            self._waiting.appendleft(question)
        else:
            self._waiting.append(question)
        self._wake.set()

    def wake(self) -> None:
        """Make a round trip for what comes ``first``, even if there is no other question."""
        self._wake.set()

    async def start(self) -> None:
        """Begin; returns when the server was reached, or could not be for the first time."""
        self._task = asyncio.create_task(self._live())
        await self._tried.wait()

    async def close(self) -> None:
        """Ask nothing any more."""
        self.available = False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._disconnect()
        self._give_up("the gateway ends")

    async def _live(self) -> None:
        failures = 0
        while True:
            since = self._clock()
            reason = "a defect of the gateway; see its log"
            with DefectsLogged(self._logger, "speaking to the state Redis"):
                try:
                    await self._session()
                except Gone as gone:
                    reason = str(gone)
            self._lose(reason)
            await self._disconnect()
            failures = 1 if self._clock() - since >= STEADY else failures + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
            await self._sleep(pause * (1 + self._chance()) / 2)

    async def _session(self) -> None:
        """Connect, then carry questions and answers until something goes wrong. Raises Gone."""
        try:
            async with Due(self._loop, self._clock() + CONNECT_SECONDS):
                await self._greet()
            self._return()
            while True:
                await self._wake.wait()
                self._wake.clear()
                while asked := self._next():
                    await self._round_trip(asked)
        except (exceptions.RedisError, OSError) as error:
            raise Gone(reasons.of_failure(error)) from error

    async def _disconnect(self) -> None:
        with contextlib.suppress(exceptions.RedisError, OSError):
            await self._connection.disconnect(nowait=True)

    async def _greet(self) -> None:
        """Connect and log in, teach the scripts, learn the time, and write something."""
        await self._connection.connect_check_health(check_health=False)
        commands = [*self._teaching, *self._probing]
        await self._send([*map(packed, commands)])
        answers = [await self._connection.read_response() for _ in commands]
        seconds, microseconds = map(int, answers[-2])
        self.heard(seconds * 1000 + microseconds // 1000)

    async def _send(self, commands: Sequence[bytes]) -> None:
        await self._connection.send_packed_command([b"".join(commands)], check_health=False)

    def _next(self) -> deque[_Question]:
        """All that is to be asked."""
        first = self.first()  # it may take its time, which is not the server's
        since = self._waiting[0].asked if self._waiting else self._clock()
        asked = self._under_way = deque([_Question(one, answered, since) for one, answered in first])
        asked += self._waiting
        self._waiting.clear()
        return asked

    async def _round_trip(self, asked: deque[_Question]) -> None:
        """Ask, and read what is said."""
        async with Due(self._loop, asked[0].asked + self._patience):
            if await self._connection.can_read():  # closed since it was last used: nothing of this was sent yet
                await self._disconnect()
                await self._greet()
                self._return()
            await self._exchange(asked)
            while asked:  # the server has forgotten the scripts, and did nothing of these
                await self._greet()
                await self._exchange(asked)

    async def _exchange(self, asked: deque[_Question]) -> None:
        """Send and read; what is left afterwards needs a script that the server doesn't know."""
        until = int((asked[0].asked + _ON_THE_WAY * self._patience + self._ahead) * 1000)
        commands = []
        for _ in range(len(asked)):
            question = asked.popleft()
            command = question.command if isinstance(question.command, tuple) else question.command(until)
            if command is not None:
                commands.append(command)
                asked.append(question)
        if commands:
            await self._send([*map(packed, commands)])
        for _ in range(len(asked)):
            answer = await self._answer()
            if isinstance(answer, exceptions.NoScriptError):
                asked.rotate(-1)
            else:
                asked.popleft().answered(answer)

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except exceptions.NoScriptError as unknown:
            return unknown
        except exceptions.ResponseError as error:
            if reasons.of_server(error):
                raise
            refused = Unfit(f"it refused a command: {str(error).partition(' ')[0]}")
        if self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + _QUIET_SECONDS
            log_defect(self._logger, "asking the state Redis", refused)
        return refused

    def _return(self) -> None:
        self.available = True
        if self._reason is not None:
            self._logger.info("state redis is back", seconds=round(self._clock() - self._since, 3))
            self._observe("")
        self._reason = None
        self._tried.set()
        for tell in self.returned:
            tell()

    def _lose(self, reason: str) -> None:
        self.available = False
        if self._reason is None:
            self._since = self._clock()
            self._logger.warning("state redis is away", reason=reason)
            self._observe(reason)
        self._reason = reason
        self._tried.set()
        self._give_up(reason)

    def _observe(self, reason: str) -> None:
        for observer in self.observers:
            observer(reason)

    def _give_up(self, reason: str) -> None:
        for questions in (self._under_way, self._waiting):
            while questions:
                questions.popleft().answered(Gone(reason))


def connection_to(address: StateAddress) -> Connection:
    """A connection, not made yet. It has no time limits of its own and tries nothing twice."""
    kind = SSLConnection if address.tls else Connection
    return kind(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username or None,
        password=address.password or None,
        protocol=2,
        driver_info=None,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
    )
