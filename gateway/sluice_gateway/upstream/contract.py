"""What the rest of the gateway knows of an upstream leg: send a request, read its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sluice_gateway.upstream.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of one exchange may take, in seconds.

    `connect`: place in the pool, name resolution, TCP and TLS. `first_byte`: from the request sent to the complete head
    of the answer. `idle`: between two pieces of the body, without time in which we did not read. `total`: all of it.
    """

    connect: float
    first_byte: float
    idle: float
    total: float


class Sink(Protocol):
    """Where a relayed body goes. Both are the reader's: the answer calls them, and never at the same time."""

    def feed(self, piece: bytes) -> bool:
        """Take a piece. False: no more until `drained` has returned. Raises nothing; what goes wrong is told there."""

    async def drained(self) -> None:
        """Wait until there is room again. What it raises ends the relay."""


class Answer(Protocol):
    """An answer whose head has arrived. Whoever got it calls `close()` in the end; one task at a time reads it."""

    @property
    def status(self) -> int:
        """The final status, 200 to 599."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers in their order, names in lower case; without coding and length of a body that was decoded."""

    def header(self, name: str) -> str | None:
        """The first header of this name (in lower case)."""

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises AnswerTooLarge (and drops the connection), UpstreamError."""

    async def chunk(self) -> bytes:
        """The next piece of the body as it arrived, b"" at its clean end. Raises UpstreamError."""

    async def relay(self, sink: Sink) -> None:
        """Hand what is left of the body to `sink`, each piece as it arrives; returns at its clean end.

        Raises UpstreamError, after everything that had come was handed over, and what `sink.drained` raises.
        """

    def close(self) -> None:
        """Done with the answer. Before the body's end this drops the connection: so a cancel reaches the upstream."""


async def relay_by_chunks(answer: Answer, sink: Sink) -> None:
    """`Answer.relay` for answers that have nothing quicker."""
    while piece := await answer.chunk():
        if not sink.feed(piece):
            await sink.drained()


class Upstream(Protocol):
    """A client leg to upstreams of any origin."""

    async def send(
        self, endpoint: Endpoint, body: bytes, timeouts: Timeouts, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """Send one request; `headers` are this request's own. Returns when the answer's head is complete.

        Raises ValueError for a header that could not be sent as one, and UpstreamError.
        """

    async def close(self) -> None:
        """Close what is idle; exchanges under way run to their end, new ones are refused."""
