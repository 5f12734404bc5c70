"""The wire to a Redis server: commands go over it, and answers come back in their order."""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import hiredis

from sluice_gateway.settings import StateAddress

Command = tuple[bytes | str | int, ...]
packed: Callable[[Command], bytes] = cast("Any", hiredis.pack_command)
"""A command as it goes over the wire. (The library's own type speaks of commands of one word.)"""


def words(*some: bytes | str | int) -> bytes:
    """Words of a command as they go over the wire, without their number, which comes first."""
    return packed(some).partition(b"\n")[2]


_MORE = object()  # there is no whole answer


class Complaint(Exception):
    """What a server says in the place of an answer, in its own words."""


class Wire(asyncio.Protocol):
    """A connection.

    ``hear`` is called with each answer: a number, bytes, a list, None, or a Complaint. ``ended`` is called when the
    connection has ended, with why if that is known. Neither is after ``close``.
    """

    def __init__(self) -> None:
        self.hear: Callable[[Any], None] = _nothing
        self.ended: Callable[[Exception | None], None] = _nothing
        self.write: Callable[[bytes], None] = _nothing
        self._reader = hiredis.Reader(replyError=Complaint, notEnoughData=_MORE)
        self._transport: asyncio.Transport

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write

    def data_received(self, data: bytes) -> None:
        """Hand on all answers that are whole."""
        self._reader.feed(data)
        gets = self._reader.gets
        try:
            while (said := gets()) is not _MORE:
                self.hear(said)
        except hiredis.ProtocolError:  # this is no Redis
            self.connection_lost(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        ended = self.ended
        self.close()
        ended(error)

    def close(self) -> None:
        """Hang up, and hear nothing any more."""
        self.hear = self.ended = _nothing
        self._transport.abort()

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Ask, and wait for all answers: for nobody else meanwhile. Raises the first Complaint, and OSError."""
        answers: list[Any] = []
        all_answers: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

        def hear(said: Any) -> None:
            answers.append(said)
            if isinstance(said, Complaint):
                self.ended(said)
            elif len(answers) == len(commands) and not all_answers.done():
                all_answers.set_result(answers)

        def ended(error: Exception | None) -> None:
            if not all_answers.done():
                all_answers.set_exception(error or ConnectionResetError())

        self.hear, self.ended = hear, ended
        self.write(b"".join(map(packed, commands)))
        return await all_answers


async def connect(address: StateAddress, tls: ssl.SSLContext | None) -> Wire:
    """Connect and log in. Whoever calls sets the time limit, by cancelling. Raises Complaint and OSError."""
    _, wire = await asyncio.get_running_loop().create_connection(Wire, address.host, address.port, ssl=tls)
    try:
        if login := [*_login(address)]:
            await wire.exchange(login)
    except BaseException:
        wire.close()
        raise
    return wire


def _login(address: StateAddress) -> Iterator[Command]:
    if address.password or address.username:
        yield ("AUTH", *filter(None, (address.username,)), address.password)
    if address.database:
        yield ("SELECT", address.database)


def _nothing(_: object) -> None: ...
