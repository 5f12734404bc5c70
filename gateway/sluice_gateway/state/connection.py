"""The connection to the state Redis: what is asked at the same time shares a round trip, and nobody waits for a server
that is away.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from sluice_gateway.settings import StateAddress
from sluice_gateway.state import reasons
from sluice_gateway.state.due import STALL, Due
from sluice_gateway.state.scripts import Script
from sluice_gateway.state.wire import Command, Complaint, Wire, connect, packed
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
_DEFECT = "a defect of the gateway; see its log"


class Gone(Exception):
    """The server is away: the text says why. Whether it has heard the command is not known."""


class Unfit(Gone):
    """The command was at fault, and not carried out; the server is well."""


Answered = Callable[[Any], None]
"""Called once, with what the server says (a number, bytes, a list), or with Gone. Raises nothing."""


Timely = Callable[[int], bytes | None]
"""A command, packed, that must not be carried out later than somebody waits for it: called with the server's time, in
milliseconds, until which somebody does. None when nobody waits any more: then it is not asked, and nothing answered.
"""


class _Question(NamedTuple):
    command: bytes | Timely
    answered: Answered
    asked: float  # the loop's time


class Link:
    """One connection, kept up from ``start`` to ``close``.

    ``first`` is asked for what goes ahead of each round trip's questions. ``returned`` are called whenever there is a
    new connection: the server may have been started anew, and know nothing. ``probe`` is a key that is written then: a
    server that can't be written to is of no use. ``observers`` hear why the server is away, or "" when it is back.

    There is one round trip at a time. What is asked meanwhile waits for the next, and so do the settlements that go
    first: their order is that in which they are carried out, also when the server has to be taught its scripts again.
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
        self.first: Callable[[], list[tuple[bytes, Answered]]] = list
        self.observers: list[Callable[[str], None]] = []
        self.returned: list[Callable[[], None]] = []
        self._address = address
        self._tls = ssl.create_default_context() if address.tls else None
        self._teaching: list[Command] = [("SCRIPT", "LOAD", script.text) for script in scripts]
        self._probing: list[Command] = [("TIME",), ("SET", probe, "", "PX", _PROBE_MILLISECONDS)]
        self._logger = logger
        self._defects = DefectsLogged(logger, "speaking to the state Redis")
        self._patience = patience
        self._chance = chance
        self._sleep = sleep
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._ahead = time.time() - self._clock()
        self._wire: Wire | None = None
        self._waiting: deque[_Question] = deque()
        self._under_way: deque[_Question] = deque()
        self._unknown: list[_Question] = []  # to the server, which did nothing of them
        self._departing = self._woken = False
        self._since = 0.0  # when the oldest question under way was asked
        self._due = self._look_at = 0.0
        self._watching: asyncio.TimerHandle | None = None
        self._tried = asyncio.Event()
        self._quiet_until = 0.0
        self._reason: str | None = None
        self._away_since = self._clock()
        self._turn: asyncio.Future[str | float] = self._loop.create_future()
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
        words = packed(command) if isinstance(command, tuple) else command
        question = _Question(words, answered, now if asked is None else asked)
        if self._waiting and question.asked < self._waiting[0].asked:
            self._waiting.appendleft(question)
        else:
            self._waiting.append(question)
        if not self._under_way:
            self._depart_soon()

    def wake(self) -> None:
        """Make a round trip for what comes ``first``, even if there is no other question."""
        self._woken = True
        if not self._under_way:
            self._depart_soon()

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
        self._hang_up()
        if self._watching is not None:
            self._watching.cancel()
        self._give_up("the gateway ends")

    async def _live(self) -> None:
        failures = 0
        while True:
            since = self._clock()
            reason = _DEFECT
            with self._defects:
                reason = await self._session()
            self._fail(reason)
            failures = 1 if self._clock() - since >= STEADY else failures + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
            await self._sleep(pause * (1 + self._chance()) / 2)

    async def _session(self) -> str:
        """Connect, and again whenever the server has hung up while nothing was under way. Returns why it is away."""
        due = self._clock() + CONNECT_SECONDS
        while True:
            try:
                async with Due(self._loop, due):
                    self._wire = await self._greeted()
            except (Complaint, OSError) as error:
                return reasons.of_failure(error)
            self._turn = self._loop.create_future()
            self._return()
            turn = await self._turn
            if isinstance(turn, str):
                return turn
            due = turn

    async def _greeted(self) -> Wire:
        """Connect and log in, teach the scripts, learn the time, and write something. Raises Complaint and OSError."""
        wire = await connect(self._address, self._tls)
        try:
            answers = await wire.exchange([*self._teaching, *self._probing])
        except BaseException:
            wire.close()
            raise
        if wire.is_closed:  # right behind its last answer
            raise ConnectionResetError
        wire.hear, wire.ended = self._hear, self._ended
        seconds, microseconds = map(int, answers[-2])
        self.heard(seconds * 1000 + microseconds // 1000)
        return wire

    def _depart_soon(self) -> None:
        """Begin a round trip once everybody has had a turn to ask."""
        if not self._departing:
            self._departing = True
            self._loop.call_soon(self._depart)

    def _depart(self) -> None:
        """Ask all that is to be asked."""
        self._departing = False
        if self._under_way or not self.available:
            return
        if self._wire is None:  # closed since it was last used: nothing of this was sent yet
            if not self._turn.done():
                self._turn.set_result(self._oldest() + self._patience)
            return
        with self._defects:
            self._woken = False
            first = self.first()  # it may take its time, which is not the server's
            self._since = since = self._oldest()
            self._waiting, self._under_way = self._under_way, self._waiting
            if first:
                self._under_way.extendleft([_Question(one, answered, since) for one, answered in reversed(first)])
            self._send(self._wire)
            return
        self._fail(_DEFECT)

    def _oldest(self) -> float:
        return self._waiting[0].asked if self._waiting else self._clock()

    def _send(self, wire: Wire) -> None:
        """Send what is under way, but for what nobody waits for any more."""
        until = int((self._since + _ON_THE_WAY * self._patience + self._ahead) * 1000)
        asked = self._under_way
        commands = [one if isinstance(one, bytes) else one(until) for one, _, _ in asked]
        if None in commands:
            self._under_way = deque([one for one, command in zip(asked, commands, strict=True) if command is not None])
        if self._under_way:
            self._watch(self._since + self._patience)
            wire.write(b"".join(filter(None, commands)))

    def _hear(self, said: Any) -> None:
        asked = self._under_way
        if not asked:  # it speaks without being asked
            self._hang_up()
            return
        if isinstance(said, Complaint):
            self._complained(said)
        else:
            asked.popleft().answered(said)
        if not asked:
            self._land()

    def _complained(self, said: Complaint) -> None:
        if str(said).startswith("NOSCRIPT"):
            self._unknown.append(self._under_way.popleft())
        elif reason := reasons.of_server(said):
            self._fail(reason)
        else:
            refused = Unfit(f"it refused a command: {str(said).partition(' ')[0]}")
            if self._clock() >= self._quiet_until:
                self._quiet_until = self._clock() + _QUIET_SECONDS
                refused.__cause__ = said
                log_defect(self._logger, "asking the state Redis", refused)
            self._under_way.popleft().answered(refused)

    def _land(self) -> None:
        """All is answered; what needs a script that the server doesn't know is asked again, with the scripts."""
        if self._unknown and self._wire is not None:
            teaching = [_Question(packed(command), _nothing, self._since) for command in self._teaching]
            self._under_way.extend([*teaching, *self._unknown])
            self._unknown.clear()
            self._send(self._wire)
        elif self._waiting or self._woken:
            self._depart_soon()

    def _ended(self, error: Exception | None) -> None:
        self._wire = None
        if self._under_way:
            self._fail(reasons.of_failure(error))

    def _watch(self, due: float) -> None:
        """See to it that what is under way has its answer by then. One timer does for many round trips."""
        self._due = due
        if self._watching is None or due < self._look_at:
            self._look_again(due)

    def _look_again(self, when: float) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._look_at = when
        self._watching = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._watching = None
        now = self._clock()
        if not self._under_way:
            return
        if now < self._due:
            self._look_again(self._due)
        elif now - self._look_at > STALL:  # as in due.py: what has come meanwhile is read first
            self._look_again(now + STALL)
        else:
            self._fail("no answer in time")

    def _return(self) -> None:
        self.available = True
        if self._reason is not None:
            self._logger.info("state redis is back", seconds=round(self._clock() - self._away_since, 3))
            self._observe("")
        self._reason = None
        self._tried.set()
        for tell in self.returned:
            tell()
        self._depart_soon()

    def _fail(self, reason: str) -> None:
        """The server is away. Who asked hears of it, and the session ends."""
        self.available = False
        self._hang_up()
        if self._reason is None:
            self._away_since = self._clock()
            self._logger.warning("state redis is away", reason=reason)
            self._observe(reason)
        self._reason = reason
        self._tried.set()
        self._give_up(reason)
        if not self._turn.done():
            self._turn.set_result(reason)

    def _observe(self, reason: str) -> None:
        for observer in self.observers:
            observer(reason)

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _give_up(self, reason: str) -> None:
        for questions in (self._under_way, self._unknown, self._waiting):
            told = [*questions]
            questions.clear()
            for question in told:
                question.answered(Gone(reason))


def _nothing(_: object) -> None: ...
