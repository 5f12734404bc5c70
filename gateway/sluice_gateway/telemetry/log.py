"""Logs: one JSON object a line, to standard error, written by structlog."""

import sys
from typing import BinaryIO

import msgspec
import structlog

Logger = structlog.typing.FilteringBoundLogger

_encode = msgspec.json.Encoder(enc_hook=str).encode
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)


def make_logger(level: str = "info", file: BinaryIO | None = None) -> Logger:
    """The logger of a process, bound ahead: nothing is looked up or configured per line."""
    logger: Logger = structlog.wrap_logger(
        structlog.BytesLogger(file or sys.stderr.buffer),
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
