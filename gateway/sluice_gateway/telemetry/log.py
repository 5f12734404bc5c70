"""Logs, to standard error, written by structlog: one JSON object a line, or short lines where a person looks on."""

import asyncio
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

import msgspec
import structlog

FLUSH_SECONDS = 0.01  # lines of so long go out in one write: a write a request costs 8 us, a tenth of all that it costs
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_encode = msgspec.json.Encoder(enc_hook=str).encode


class LineWriter:
    """Gathers lines for a moment while an event loop runs, else writes each at once. The end of structlog's chain.

    ``for_people``: the file is a terminal.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.for_people = file.isatty()
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


class Line(msgspec.Struct, gc=False, kw_only=True):
    """A log line whose fields are known ahead, for those that are written often. ``time`` is set when it is logged."""

    event: str = ""
    level: str = "info"
    time: str = ""

    def text(self) -> str:
        """What a person wants to know of it."""
        return self.event


class Logger(structlog.typing.FilteringBoundLogger, Protocol):
    """structlog's, and a way around its event dictionary for what is written once a request: a third of the cost."""

    def line(self, line: Line) -> None:
        """Log ``line`` as information."""
        ...


class _Format(Protocol):
    """How lines are written: as structlog's one processor, and for a Line. A chain of structlog's own processors would
    cost twice as much per line.
    """

    def __call__(self, _logger: object, method: str, event: structlog.typing.EventDict) -> bytes: ...

    def line(self, line: Line) -> bytes: ...


class _WithLines(structlog.BoundLoggerBase):
    wants_lines = True
    format: _Format

    def line(self, line: Line) -> None:
        if self.wants_lines:
            self._logger.msg(self.format.line(line))


class _ForMachines:
    """JSON, with the time."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._second = -1
        self._stamp = ""

    def __call__(self, _logger: object, method: str, event: structlog.typing.EventDict) -> bytes:
        event["level"] = method
        event["time"] = self._now()
        return _encode(event)

    def line(self, line: Line) -> bytes:
        line.time = self._now()
        return _encode(line)

    def _now(self) -> str:
        second, nanoseconds = divmod(self._clock(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{nanoseconds // 1000:06d}Z"


class _ForPeople:
    """In front of a terminal. Lists are left out: findings are printed by whoever follows them."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock

    def __call__(self, _logger: object, method: str, event: structlog.typing.EventDict) -> bytes:
        traced = event.pop("traceback", None) or ""
        words = [*([] if method == "info" else [method]), event.pop("event")]
        words += [f"{name}={value}" for name, value in event.items() if not isinstance(value, list)]
        return self._shown(" ".join(words), traced)

    def line(self, line: Line) -> bytes:
        return self._shown(line.text())

    def _shown(self, text: str, traced: str = "") -> bytes:
        now = datetime.fromtimestamp(self._clock() // 1_000_000_000, UTC).astimezone()
        lines = [f"{now:%H:%M:%S} {text}", *traced.splitlines()]
        return "\n".join(map(_harmless, lines)).encode("utf-8", "backslashreplace")


def _harmless(text: str) -> str:
    """``text`` without what a terminal would obey: providers' words are in it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def make_logger(writer: LineWriter | None = None, level: str = "info") -> Logger:
    """The logger of a process, bound ahead: nothing is looked up or configured per line."""
    writer = writer or LineWriter(sys.stderr.buffer)
    form: _Format = _ForPeople() if writer.for_people else _ForMachines()
    bases = (_WithLines, structlog.make_filtering_bound_logger(_LEVELS[level]))
    logger = structlog.wrap_logger(
        writer,
        processors=[form],
        wrapper_class=type("Logger", bases, {"wants_lines": _LEVELS[level] <= _LEVELS["info"], "format": form}),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    bound: Logger = logger.bind()
    return bound


def log_defect(logger: Logger, during: str, error: BaseException | None) -> None:
    """What should never happen, with where it did, in one event like all others. Values are not in it."""
    where = "".join(traceback.format_exception(error)) if error else None
    logger.error("defect", during=during, traceback=where)


class DefectsLogged:
    """A block whose defects are logged and end with it: for work that is begun again whatever happens to it."""

    def __init__(self, logger: Logger, during: str) -> None:
        self._logger = logger
        self._during = during

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> bool:
        if not isinstance(error, Exception):
            return False
        log_defect(self._logger, self._during, error)
        return True
