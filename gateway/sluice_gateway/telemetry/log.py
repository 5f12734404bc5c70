"""Logs: one JSON object a line, to standard error, written by structlog."""

import asyncio
import sys
from typing import BinaryIO

import msgspec
import structlog

Logger = structlog.typing.FilteringBoundLogger

FLUSH_SECONDS = 0.01  # lines of so long go out in one write: a write a request costs 8 us, a tenth of all that it costs
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_encode = msgspec.json.Encoder(enc_hook=str).encode


class LineWriter:
    """Gathers lines for a moment while an event loop runs, else writes each at once. The end of structlog's chain."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def msg(self, line: bytes) -> None:
        """Write a line, soon."""
        self._lines.append(line)
        if self._timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._timer = loop.call_later(FLUSH_SECONDS, self.flush)

    debug = info = warning = error = msg

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._file.write(b"\n".join((*lines, b"")))
            self._file.flush()


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)


def make_logger(writer: LineWriter | None = None, level: str = "info") -> Logger:
    """The logger of a process, bound ahead: nothing is looked up or configured per line."""
    logger: Logger = structlog.wrap_logger(
        writer or LineWriter(sys.stderr.buffer),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="time"),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger.bind()
