"""What should never happen: told to the caller as a 500 without details, to the log as one line of JSON with them."""

import io
import json

import aiohttp
from aiohttp import web

from sluice_gateway.server.connection import Server
from sluice_gateway.telemetry.log import LineWriter, make_logger


async def fails(request: web.BaseRequest) -> web.StreamResponse:
    raise LookupError("what the code thought impossible")


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
