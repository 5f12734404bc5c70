"""What should never happen: told to the caller as a 500 without details, to the log as one line of JSON with them."""

import asyncio
import io
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sluice_gateway.calls import Shape
from sluice_gateway.dialects.registry import errors_of
from sluice_gateway.server.connection import Server
from sluice_gateway.telemetry.log import LineWriter, make_logger
from tests.support.gateway import CHAT, HELLO, gateway, provider, route
from tests.support.plugins import install
from tests.support.upstream import answer, event_stream, json_answer, says, serve

SHAPE = """
from sluice_gateway.providers.adapter import Wire

class Broken:
    def build_request(self, request, facts):
        return b"{}"
    def _fails(self, *given):
        raise LookupError("what its author thought impossible")
    parse_response = parse_event = parse_error = _fails

WIRE = Wire(name="broken", adapter=Broken(), chat="/say")
"""


async def fails(request: web.BaseRequest) -> web.StreamResponse:
    raise LookupError("what the code thought impossible")


async def fails_later(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    return await fails(request)


async def test_a_defect_behind_the_begin_of_an_answer_ends_the_connection() -> None:
    runner = web.ServerRunner(Server(fails_later, make_logger(LineWriter(io.BytesIO()))))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            answered = await reader.read()
        writer.close()
    finally:
        await runner.cleanup()
    assert answered.endswith(b"\r\n\r\n5\r\nfirst\r\n")


async def finds_the_caller_gone(request: web.BaseRequest) -> web.StreamResponse:
    raise ConnectionResetError("Cannot write to closing transport")


async def test_a_caller_who_leaves_while_it_is_answered_is_no_defect() -> None:
    log = io.BytesIO()
    runner = web.ServerRunner(Server(finds_the_caller_gone, make_logger(LineWriter(log))))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    finally:
        await runner.cleanup()
    assert log.getvalue() == b""


async def test_a_defect_is_told_in_the_callers_shape() -> None:
    runner = web.ServerRunner(Server(fails, make_logger(LineWriter(io.BytesIO())), lambda _: errors_of(Shape.MESSAGES)))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        async with aiohttp.ClientSession() as session, session.post(f"http://{host}:{port}/v1/messages") as response:
            body = await response.json()
    finally:
        await runner.cleanup()
    assert (response.status, body["type"], body["error"]["type"]) == (500, "error", "api_error")


async def test_a_wire_shape_that_fails_at_a_request_gives_way_to_the_next_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "dumb_shape", "dumb = dumb_shape:WIRE", SHAPE.replace('return b"{}"', "self._fails()"))
    text = provider("own", "http://127.0.0.1:1", compatibility={"wireShape": "dumb"}) + provider("mock")
    text += route("chat", "own/m", "mock") + route("alone", "own/m", models=("alone",))
    async with gateway(text) as sluice:
        served, _ = await sluice.post()
        response, body = await sluice.post(HELLO | {"model": "alone"})
        await sluice.log_file.has("what its author thought impossible", 2)
        first, _ = await sluice.logged(2)
    assert (served.status, served.headers["x-sluice-target"]) == (200, "mock/chat")
    assert [attempt["target"] for attempt in first["failed_attempts"]] == ["own/m"]
    assert (response.status, body["error"]["code"]) == (502, "provider_error")


async def test_a_defect_is_a_500_and_a_line() -> None:
    file = io.BytesIO()
    lines = LineWriter(file)
    runner = web.ServerRunner(Server(fails, make_logger(lines)))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/") as response:
            body = await response.json()
    finally:
        await runner.cleanup()
    lines.flush()
    [line] = [json.loads(text) for text in file.getvalue().splitlines()]
    assert (response.status, body["error"]["code"]) == (500, "internal_error")
    assert "impossible" not in json.dumps(body)
    assert (line["event"], line["level"], line["during"]) == ("defect", "error", "a request")
    assert "LookupError: what the code thought impossible" in line["traceback"]


@pytest.mark.parametrize(
    ("stream", "reply"),
    [(False, json_answer({})), (True, event_stream([b"data: 1\n\n"])), (False, answer(500)), (True, answer(500))],
    ids=["whole", "event", "error", "error-of-a-stream"],
)
async def test_a_wire_shape_that_fails_gives_way_to_the_next_target(
    stream: bool, reply: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "broken_shape", "broken = broken_shape:WIRE", SHAPE)
    async with serve(says(reply)) as upstream:
        text = provider("own", upstream.url, compatibility={"wireShape": "broken"}) + provider("mock")
        text += route("chat", "own/m", "mock") + route("alone", "own/m", models=("alone",))
        async with gateway(text) as sluice:
            async with sluice.session.post(sluice.url + CHAT, json=HELLO | {"stream": stream}) as response:
                assert b"choices" in await response.read()
            assert (response.status, response.headers["x-sluice-target"]) == (200, "mock/chat")
            response, body = await sluice.post(HELLO | {"model": "alone", "stream": stream})
            assert (response.status, body["error"]["code"]) == (502, "provider_error")
            assert "impossible" not in json.dumps(body)
            await sluice.log_file.has("what its author thought impossible", 2)
