"""Answers from bytes: llhttp in its strict mode does the framing, this file what llhttp leaves to its user.

llhttp (httptools) refuses repeated or conflicting lengths, a length beside a transfer coding, bare LF, folded lines,
control characters and bad chunk sizes. Decided here: bounds, interim answers, transfer codings, what may follow a
message, and whether the end of the stream is the end of the body (RFC 9112 sections 6.3 and 8).
"""

from typing import NoReturn

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sluice_gateway.upstream.answer import LeanAnswer
from sluice_gateway.upstream.errors import BadAnswer

# Bytes of status lines and headers until the final head is complete; also of chunk framing and trailers without body.
MAX_HEAD = 64 * 1024
MAX_HEADERS = 256
# Interim (1xx) answers before the final one.
MAX_INTERIM = 16

_SWITCHING_PROTOCOLS = 101
_FIRST_INTERIM = 100
_FIRST_FINAL, _LAST_FINAL = 200, 599
_VERSIONS = frozenset(("1.1", "1.0"))
_FIRST_BYTE = ord("H")


class _Stop(Exception):
    """Raised in a callback, it makes llhttp stop; why is kept in the parser."""


class AnswerParser:
    """Parses the answers of one connection, one after the other, each into the LeanAnswer it was given for it.

    `started`: any byte of the answer has come. `complete`: its last one has. `keep_alive`: another may follow.
    """

    __slots__ = (
        "_answer",
        "_barren",
        "_bodiless",
        "_interim",
        "_lines",
        "_llhttp",
        "_stop",
        "complete",
        "keep_alive",
        "started",
    )

    def __init__(self) -> None:
        self._llhttp = HttpResponseParser(self)
        self._answer: LeanAnswer
        self._lines: list[tuple[bytes, bytes]] = []
        self._barren = 0
        self._interim = 0
        self._bodiless = False
        self._stop = ""
        self.started = False
        self.complete = True
        self.keep_alive = True

    def begin(self, answer: LeanAnswer, *, bodiless: bool) -> None:
        """The next bytes belong to `answer`; `bodiless` when it ends with its head whatever that says (HEAD)."""
        self._answer = answer
        self._bodiless = bodiless
        self._lines = []
        self._barren = 0
        self._interim = 0
        self.started = False
        self.complete = False

    def feed(self, data: bytes) -> bool:
        """Parse what was read; True when the head became complete or the body grew. Raises BadAnswer."""
        answer = self._answer
        if not answer.status:
            self._feed_head(data)
            return answer.status > 0
        size = answer.size
        self._execute(data)
        if answer.size > size:
            self._barren = 0
            return True
        self._barren += len(data)
        if self._barren > MAX_HEAD and not self.complete:
            raise BadAnswer("chunk framing or trailers are too large")
        return False

    def ends_with_stream(self) -> bool:
        """Whether the end of the stream is this body's clean end: its head told no other."""
        answer = self._answer
        return (
            answer.status > 0 and answer.header("content-length") is None and answer.header("transfer-encoding") is None
        )

    def on_message_begin(self) -> None:
        """A status line starts."""
        if self.complete:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is ignored."""
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is complete: an interim one or the final one."""
        status = self._llhttp.get_status_code()
        if not _FIRST_FINAL <= status <= _LAST_FINAL:
            self._count_interim(status)
            return
        lines = self._lines
        self._lines = []
        self._barren = 0
        fields = dict(reversed(lines))
        if len(lines) > MAX_HEADERS:
            self._refuse("the answer has too many headers")
        if self._llhttp.get_http_version() not in _VERSIONS:
            self._refuse("the answer is not HTTP/1")
        if b"transfer-encoding" in fields and _codings(lines) != [b"chunked"]:
            self._refuse("the answer has an unknown transfer coding")
        self._answer.on_head(status, lines, fields)
        if self._bodiless:
            self.complete = True
            raise _Stop

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        answer = self._answer
        answer.pieces.append(piece)
        answer.size += len(piece)

    def on_message_complete(self) -> None:
        """The last byte of a message, trailers included; an interim answer is one as well."""
        if self._answer.status:
            self.complete = True
            self.keep_alive = self._llhttp.should_keep_alive()

    def _feed_head(self, data: bytes) -> None:
        if not self.started:
            self.started = True
            # llhttp takes RTSP, ICE and leading line ends as well.
            if data[0] != _FIRST_BYTE:
                raise BadAnswer
        room = MAX_HEAD - self._barren
        if len(data) <= room:
            self._barren += len(data)
            self._execute(data)
            return
        view = memoryview(data)
        self._execute(view[:room])
        if not self._answer.status:
            raise BadAnswer("the answer's head is too large")
        self._execute(view[room:])

    def _execute(self, data: bytes | memoryview) -> None:
        try:
            self._llhttp.feed_data(data)
        except HttpParserUpgrade:
            raise BadAnswer("the answer switches protocols") from None
        except HttpParserError as error:
            # What follows a complete message is nobody's answer: the message stands, the connection does not.
            self.keep_alive = False
            if not self.complete:
                raise BadAnswer(self._stop or f"the answer is not valid HTTP: {error}") from None

    def _count_interim(self, status: int) -> None:
        self._interim += 1
        self._lines = []
        if status == _SWITCHING_PROTOCOLS:
            self._refuse("the answer switches protocols")
        if not _FIRST_INTERIM <= status < _FIRST_FINAL:
            self._refuse("the answer has an invalid status")
        if self._interim > MAX_INTERIM:
            self._refuse("too many interim answers")

    def _refuse(self, reason: str) -> NoReturn:
        self._stop = reason
        raise _Stop


def _codings(lines: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [value.strip().lower() for name, value in lines if name == b"transfer-encoding"]
