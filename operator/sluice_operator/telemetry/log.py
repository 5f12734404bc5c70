"""Logs: one JSON object a line, to standard error, written by structlog. Libraries' own lines come along."""

import logging
import sys
import threading
import traceback
from typing import BinaryIO, Final

import msgspec
import structlog

Logger = structlog.typing.FilteringBoundLogger

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def make_logger(file: BinaryIO | None = None, level: str = "info") -> Logger:
    """The logger of a process. Safe to use from any thread."""
    logger: Logger = structlog.wrap_logger(
        structlog.BytesLogger(file or sys.stderr.buffer),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="time"),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger.bind()


class LibraryLines(logging.Handler):
    """Passes warnings and errors of kopf, aiohttp and asyncio on to the process's logger, without stack traces."""

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """One line. kopf's texts hold URLs of the API and errors, never an object's content."""
        write = self._logger.error if record.levelno >= logging.ERROR else self._logger.warning
        cause = type(record.exc_info[1]).__name__ if record.exc_info and record.exc_info[1] else None
        write(record.getMessage(), library=record.name, **({"error": cause} if cause else {}))


def log_defects(logger: Logger) -> None:
    """Have what nobody catches end the process, or a thread of it, with one line like all others."""
    sys.excepthook = lambda _kind, error, _where: logger.error("defect", traceback=where(error))
    threading.excepthook = lambda one: logger.error("defect", traceback=where(one.exc_value) if one.exc_value else None)


def where(error: BaseException) -> str:
    """The kind of an exception and the places that it went through, its causes first; never its words.

    These may quote what was being read, and that may be a Secret.
    """
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [f"{where(before)}then:\n"] if before else []
    parts += [f"{type(error).__module__}.{type(error).__qualname__}\n", *traceback.format_tb(error.__traceback__)]
    if isinstance(error, BaseExceptionGroup):
        parts += [f"of which one:\n{where(one)}" for one in error.exceptions]
    return "".join(parts)


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)
