"""Logs: one JSON object a line, to standard error, written by structlog. Libraries' own lines come along."""

import logging
import sys
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


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)
