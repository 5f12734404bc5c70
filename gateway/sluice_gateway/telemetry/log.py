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
    """A log line whose fields are known ahead, for those that are written often."""

    event: str = ""
    level: str = ""
    time: str = ""

    def text(self) -> str:
        """What a person wants to know of it."""
        return self.event


class Logger(structlog.typing.FilteringBoundLogger, Protocol):
    """structlog's, and a way around its event dictionary for what is written once a request: a third of the cost."""

    def line(self, line: Line) -> None:
        """Log ``line`` as information."""
        ...


class _WithLines(structlog.BoundLoggerBase):
    wants_lines = True

    def line(self, line: Line) -> None:
        if self.wants_lines:
            for process in self._processors:
                self._logger.msg(process(None, "info", {"line": line}))


class _ForMachines:
    """The one processor: level, time and JSON. A chain of structlog's own would cost twice as much per line.

    An event whose field ``line`` is a Line becomes that.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._second = -1
        self._stamp = ""

    def __call__(self, _logger: object, method: str, event: structlog.typing.EventDict) -> bytes:
        second, nanoseconds = divmod(self._clock(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        now = f"{self._stamp}.{nanoseconds // 1000:06d}Z"
        line = event.get("line")
        if isinstance(line, Line):
            line.level, line.time = method, now
            return _encode(line)
        event["level"] = method
        event["time"] = now
        return _encode(event)


class _ForPeople:
    """The one processor in front of a terminal. Lists are left out: findings are printed by whoever follows them."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock

    def __call__(self, _logger: object, method: str, event: structlog.typing.EventDict) -> bytes:
        now = datetime.fromtimestamp(self._clock() // 1_000_000_000, UTC).astimezone()
        line, traced = event.pop("line", None), event.pop("traceback", None)
        words = [f"{now:%H:%M:%S}"] + ([] if method == "info" else [method])
        if isinstance(line, Line):
            words.append(line.text())
        else:
            words.append(event.pop("event"))
            words += [f"{name}={value}" for name, value in event.items() if not isinstance(value, list)]
        lines = [" ".join(words), *(traced or "").splitlines()]
        return "\n".join(map(_harmless, lines)).encode("utf-8", "backslashreplace")


def _harmless(text: str) -> str:
    """``text`` without what a terminal would obey: providers' words are in it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def make_logger(writer: LineWriter | None = None, level: str = "info") -> Logger:
    """The logger of a process, bound ahead: nothing is looked up or configured per line."""
    writer = writer or LineWriter(sys.stderr.buffer)
    bases = (_WithLines, structlog.make_filtering_bound_logger(_LEVELS[level]))
    logger = structlog.wrap_logger(
        writer,
        processors=[_ForPeople() if writer.for_people else _ForMachines()],
        wrapper_class=type("Logger", bases, {"wants_lines": _LEVELS[level] <= _LEVELS["info"]}),
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
