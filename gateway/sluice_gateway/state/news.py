"""What pods tell each other: that a breaker has opened, and what somebody has ordered by hand for all of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

import msgspec
from redis import exceptions
from redis.asyncio import Connection, SSLConnection

from sluice_gateway.settings import StateAddress
from sluice_gateway.state.connection import (
    CONNECT_SECONDS,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Answered,
    Gone,
    Link,
)
from sluice_gateway.telemetry.log import DefectsLogged, Logger

LONGEST_SECONDS = 24 * 3600
"""What is told holds for so long at most."""
_MOST_FIELDS = 10_000
_TICK = 0.000_001  # seconds between two things said: clocks of event loops stand still for a millisecond

Order = Literal["open", "close", "reset"]


class Told(NamedTuple):
    """News of a target.

    ``opened`` is a hint: another pod's breaker has opened by itself. ``open``, ``close`` and ``reset`` are by hand, and
    for all pods. It holds for ``seconds`` from now on. ``provider`` is "namespace/name", ``model`` its own name of it.
    """

    kind: Literal["opened"] | Order
    provider: str
    model: str
    seconds: float


class _Message(msgspec.Struct, frozen=True, gc=False):
    """``said`` and ``until`` are the server's time, epoch seconds; ``pod`` is who says it."""

    kind: Literal["opened"] | Order
    provider: str
    model: str
    said: float
    until: float
    pod: str

    @property
    def field(self) -> str:
        """Under which it is kept, until a later one takes its place."""
        return f"{'hint' if self.kind == 'opened' else 'order'}\n{self.provider}\n{self.model}"


def _read(text: bytes) -> _Message | None:
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None


def _nothing(_said: Any) -> None: ...


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Message).decode


class News:
    """Tells and hears. Nothing is told to the pod that said it.

    What holds for a while is kept, for pods that start later or were cut off. Each of a target's orders takes the place
    of the one before, and each of its hints that of the hint before. ``subscribe`` comes before the first pause after
    ``start``: what is kept is told once.
    """

    def __init__(
        self,
        link: Link,
        address: StateAddress,
        gateway: str,
        pod: str,
        logger: Logger,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._link = link
        self._connection = connection_to(address)
        self._channel = f"{{sluice/{gateway}}}news"
        self._kept = f"{{sluice/{gateway}}}kept-news"
        self._pod = pod
        self._logger = logger
        self._sleep = sleep
        self._latest: dict[str, float] = {}
        self._said = 0.0
        self._callbacks: list[Callable[[Told], None]] = []
        self._task: asyncio.Task[None] | None = None
        link.returned.append(self._ask_for_kept)
        self.hearing = asyncio.Event()
        """Set while what others say is heard."""

    def subscribe(self, callback: Callable[[Told], None]) -> None:
        """Have a function called with what the other pods say."""
        self._callbacks.append(callback)

    def publish_open(self, provider: str, model: str, seconds: float) -> None:
        """Hint at a breaker that has opened. Lost when the state Redis is away."""
        self._tell("opened", provider, model, seconds)

    async def override(self, order: Order, provider: str, model: str, seconds: float = 0) -> bool:
        """Tell all other pods to open or close a breaker for some seconds, or to reset it, which ends both. Whether the
        state Redis has taken it.
        """
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answered(said: Any) -> None:
            if not taken.done():
                taken.set_result(not isinstance(said, Gone))

        self._tell(order, provider, model, seconds, answered)
        return await taken

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Hear nothing any more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _tell(
        self,
        kind: Literal["opened"] | Order,
        provider: str,
        model: str,
        seconds: float,
        answered: Answered = _nothing,
    ) -> None:
        now = self._said = max(self._link.now(), self._said + _TICK)
        lasts = LONGEST_SECONDS if kind == "reset" else min(seconds, LONGEST_SECONDS)
        message = _Message(kind, provider, model, now, now + lasts, self._pod)
        text = _encode(message)
        self._link.ask(("HSET", self._kept, message.field, text), _nothing)
        self._link.ask(("PEXPIRE", self._kept, LONGEST_SECONDS * 1000), _nothing)
        self._link.ask(("PUBLISH", self._channel, text), answered)

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with (
                DefectsLogged(self._logger, "listening to the state Redis"),
                contextlib.suppress(exceptions.RedisError, OSError),
            ):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._connection.connect_check_health(check_health=False)
                    await self._connection.send_command("SUBSCRIBE", self._channel, check_health=False)
                    await self._connection.read_response()
                self.hearing.set()
                pause = FIRST_PAUSE
                self._ask_for_kept()
                while True:
                    _, _, text = await self._connection.read_response()
                    if (message := _read(text)) is not None:
                        self._hear(message)
            if not self.hearing.is_set():  # it can't be reached: who counts there is told, also while nobody asks
                self._link.ask(("PING",), _nothing)
            self.hearing.clear()
            with contextlib.suppress(exceptions.RedisError, OSError):
                await self._connection.disconnect(nowait=True)
            await self._sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _ask_for_kept(self) -> None:
        if self.hearing.is_set():
            self._link.ask(("HGETALL", self._kept), self._remember)

    def _remember(self, said: Any) -> None:
        """Take what was told before we listened, in its order, and drop what holds no more."""
        if isinstance(said, Gone):
            return
        found = [message for text in said[1::2] if (message := _read(text)) is not None]
        for message in sorted(found, key=lambda one: one.said):
            if message.until > self._link.now():
                self._hear(message)
            else:
                self._link.ask(("HDEL", self._kept, message.field), _nothing)

    def _hear(self, message: _Message) -> None:
        """Pass it on, unless it is our own, or something later was heard: what is kept may come twice, and after what
        was said since.
        """
        if message.pod == self._pod or message.said <= self._latest.get(message.field, 0.0):
            return
        if len(self._latest) > _MOST_FIELDS:
            self._latest.clear()
        self._latest[message.field] = message.said
        seconds = 0 if message.kind == "reset" else min(message.until - self._link.now(), LONGEST_SECONDS)
        told = Told(message.kind, message.provider, message.model, max(0.0, seconds))
        for callback in self._callbacks:
            with DefectsLogged(self._logger, "taking news of another pod"):
                callback(told)


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
