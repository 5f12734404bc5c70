"""Log lines: JSON, in order, gathered for a moment and never lost at the end."""

import asyncio
import io
import json
from datetime import UTC, datetime

import pytest

from sluice_gateway.telemetry.log import LineWriter, make_logger


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


def test_what_json_has_no_form_for_is_written_as_text() -> None:
    file = io.BytesIO()
    make_logger(LineWriter(file)).info("event", value=1j)
    assert lines_of(file)[0]["value"] == "1j"
