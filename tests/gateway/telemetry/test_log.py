"""Log lines: JSON, in order, gathered for a moment and never lost at the end."""

import asyncio
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice_gateway.telemetry.log import Line, LineWriter, Logger, log_defect, make_logger
from sluice_gateway.telemetry.record import RequestLine


def lines_of(file: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_without_a_loop_a_line_is_written_at_once() -> None:
    file = io.BytesIO()
    make_logger(LineWriter(file)).info("started", port=8080)
    [line] = lines_of(file)
    assert (line["event"], line["level"], line["port"]) == ("started", "info", 8080)
    written = datetime.fromisoformat(str(line["time"]))
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
    assert len(str(line["time"])) == len("2026-01-01T00:00:00.000000Z")


async def test_with_a_loop_lines_are_gathered_and_come_by_themselves() -> None:
    written = asyncio.Event()

    class File(io.BytesIO):
        def flush(self) -> None:
            written.set()

    file = File()
    logger = make_logger(LineWriter(file))
    for number in range(3):
        logger.info("line", number=number)
    assert file.getvalue() == b""
    await asyncio.wait_for(written.wait(), 5)
    assert [line["number"] for line in lines_of(file)] == [0, 1, 2]


async def test_a_flush_leaves_nothing_behind() -> None:
    file = io.BytesIO()
    lines = LineWriter(file)
    make_logger(lines).info("last words")
    lines.flush()
    lines.flush()
    assert len(lines_of(file)) == 1


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_a_floor(level: str, count: int) -> None:
    file = io.BytesIO()
    logger = make_logger(LineWriter(file), level)
    for method in (logger.debug, logger.info, logger.warning, logger.error):
        method("event")
    assert len(lines_of(file)) == count
    logger.line(Line(event="request"))
    assert [line["event"] for line in lines_of(file)[count:]] == ["request"] * (level in {"debug", "info"})


def test_a_line_says_what_an_event_does() -> None:
    file = io.BytesIO()
    logger = make_logger(LineWriter(file))
    logger.info("request")
    logger.line(Line(event="request"))
    [event, line] = lines_of(file)
    for field in ("event", "level"):
        assert event[field] == line[field]
    assert datetime.fromisoformat(str(event["time"])) <= datetime.fromisoformat(str(line["time"]))
    assert len(str(line["time"])) == len("2026-01-01T00:00:00.000000Z")


def test_what_json_has_no_form_for_is_written_as_text() -> None:
    file = io.BytesIO()
    make_logger(LineWriter(file)).info("event", value=1j)
    assert lines_of(file)[0]["value"] == "1j"


class TerminalFile(io.BytesIO):
    def isatty(self) -> bool:
        return True


def shown(log: Callable[[Logger], None]) -> str:
    """What a terminal shows, without the time."""
    file = TerminalFile()
    log(make_logger(LineWriter(file)))
    text = file.getvalue().decode()
    assert re.match(r"\d\d:\d\d:\d\d ", text)
    assert text.endswith("\n")
    return text[9:-1]


def test_a_terminal_is_shown_no_json() -> None:
    assert (
        shown(lambda logger: logger.info("draining", in_flight=2, seconds=300.0))
        == "draining in_flight=2 seconds=300.0"
    )
    refused = shown(lambda logger: logger.error("configuration refused", reason="1 error", findings=["a", "b"]))
    assert refused == "error configuration refused reason=1 error"


def test_a_defect_is_shown_with_where_it_was() -> None:
    error = ExceptionGroup("outer", [LookupError("x\x1b[2J")])
    lines = shown(lambda logger: log_defect(logger, "a request", error)).splitlines()
    assert lines[:2] == ["error defect during=a request", "  | ExceptionGroup: outer (1 sub-exception)"]
    assert "    | LookupError: x\\x1b[2J" in lines


FIELDS: dict[str, Any] = {
    "request_id": "req_1",
    "method": "POST",
    "path": "/v1/chat/completions",
    "status": 200,
    "code": None,
    "reason": None,
    "consumer": "anonymous",
    "model": "chat",
    "stream": False,
    "route": "default/chat",
    "target": "mock/m",
    "attempts": 1,
    "failed_attempts": None,
    "provider_request_id": None,
    "milliseconds": 12.345,
    "first_byte_milliseconds": 12.0,
    "lost_tokens": None,
    "prompt_tokens": 3,
    "completion_tokens": 14,
    "cached_tokens": 0,
    "reasoning_tokens": 0,
    "cache_write_tokens": 0,
    "cache_write_1h_tokens": 0,
    "audio_prompt_tokens": 0,
    "audio_completion_tokens": 0,
    "estimated": False,
}
NOT_REPORTED = {"prompt_tokens": None, "completion_tokens": None}
FAILED = {"target": "up/gpt", "status": None, "reason": "connection failed", "milliseconds": 1.0}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "200 chat -> mock/m, 12 ms, 3+14 tokens"),
        ({"estimated": True}, "200 chat -> mock/m, 12 ms, about 3+14 tokens"),
        ({"stream": True, **NOT_REPORTED}, "200 chat -> mock/m, 12 ms, first byte 12 ms"),
        (
            {"attempts": 2, "failed_attempts": [FAILED]},
            "200 chat -> mock/m, 12 ms, 3+14 tokens, after up/gpt: connection failed",
        ),
        (
            {"status": 404, "target": None, "code": "model_not_found", "reason": "no route", **NOT_REPORTED},
            "404 chat, 12 ms, model_not_found: no route",
        ),
        (
            {"status": 401, "model": None, "target": None, "attempts": 0, "code": "invalid_api_key", **NOT_REPORTED},
            "401 /v1/chat/completions, 12 ms, invalid_api_key",
        ),
        (
            {"status": 502, "code": "provider_error", "reason": "up: \x1b[31m\nred", **NOT_REPORTED},
            "502 chat -> mock/m, 12 ms, provider_error: up: \\x1b[31m\\nred",
        ),
    ],
)
def test_a_request_is_a_short_line_on_a_terminal(fields: dict[str, Any], text: str) -> None:
    line = RequestLine(event="request", **FIELDS | fields)
    assert shown(lambda logger: logger.line(line)) == text
