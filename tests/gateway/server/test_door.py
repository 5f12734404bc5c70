"""The HTTP front door: paths, methods, bodies, connections; every fault in OpenAI's shape, nothing else disturbed."""

import asyncio
import io
import json
import re
import socket
from typing import Any

import aiohttp
import pytest

from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, provider, route
from tests.support.upstream import Peer, Request, json_answer, serve

MOCK = provider("mock") + route("chat", "mock")


async def raw(sluice: RunningGateway, data: bytes) -> bytes:
    """Send bytes, read until the gateway closes."""
    host, port = sluice.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def refused(sluice: RunningGateway, head: bytes) -> tuple[bytes, Any]:
    """Send a head, and read the answer: its head and its document. The gateway waits a while for the body."""
    host, port = sluice.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    async with asyncio.timeout(10):
        said = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", said)
        assert length is not None
        document = json.loads(await reader.readexactly(int(length[1])))
    writer.close()
    return said, document


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/chat", "/v2/models", "/v1/chat/completions/", "/%00", "/internal/reports"]
)
async def test_an_unknown_path_is_404(path: str) -> None:
    async with gateway(MOCK) as sluice:
        response, body = await sluice.get(path)
    assert (response.status, body["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", CHAT, "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/health", "GET"),
        ("PUT", "/v1/models/chat", "GET"),
    ],
)
async def test_a_wrong_method_is_405_and_says_which(method: str, path: str, allowed: str) -> None:
    async with gateway(MOCK) as sluice, sluice.session.request(method, sluice.url + path) as response:
        body = await response.json()
    assert (response.status, body["error"]["code"], response.headers["allow"]) == (405, "method_not_allowed", allowed)


async def test_head_is_answered_like_get() -> None:
    async with gateway(MOCK) as sluice, sluice.session.head(sluice.url + "/health") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_another_media_type_is_415(kind: str) -> None:
    async with gateway(MOCK) as sluice:
        async with sluice.session.post(sluice.url + CHAT, data=b"{}", headers={"content-type": kind}) as response:
            body = await response.json()
    assert (response.status, body["error"]["code"]) == (415, "unsupported_media_type")
    assert "content-type: application/json" in body["error"]["message"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
async def test_json_is_taken_however_it_is_spelled(kind: str) -> None:
    async with (
        gateway(MOCK) as sluice,
        sluice.session.post(sluice.url + CHAT, data=json.dumps(HELLO), headers={"content-type": kind}) as response,
    ):
        assert response.status == 200


async def test_a_body_of_20_mb_is_413_and_is_not_read() -> None:
    async with gateway(MOCK) as sluice:
        body = json.dumps(HELLO | {"x": "y" * 20_000_000}).encode()
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        said, body = await refused(sluice, head.encode())
        assert said.startswith(b"HTTP/1.1 413 ")
        assert body["error"]["code"] == "request_too_large"
        assert (await sluice.post())[0].status == 200


async def test_a_body_without_length_is_cut_at_the_limit() -> None:
    async def endless() -> object:
        while True:
            yield b"x" * 65536

    async with (
        gateway(MOCK, max_body_bytes=1_000_000) as sluice,
        sluice.session.post(
            sluice.url + CHAT, data=endless(), headers={"content-type": "application/json"}
        ) as response,
    ):
        assert (response.status, (await response.json())["error"]["code"]) == (413, "request_too_large")


async def test_a_body_just_within_the_limit_passes() -> None:
    async with gateway(MOCK, max_body_bytes=1_000_000) as sluice:
        padding = "y" * (1_000_000 - len(json.dumps(HELLO | {"x": ""})))
        assert (await sluice.post(HELLO | {"x": padding}))[0].status == 200
        assert (await sluice.post(HELLO | {"x": padding + "y"}))[0].status == 413


async def test_a_large_body_reaches_the_provider_whole() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(json_answer({"choices": [], "got": len(request.body)}))

    async with serve(script) as upstream, gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice:
        body = json.dumps(HELLO | {"x": "y" * 10_000_000}).encode()
        headers = {"content-type": "application/json"}
        async with sluice.session.post(sluice.url + CHAT, data=io.BytesIO(body), headers=headers) as response:
            assert (await response.json())["got"] == len(body.replace(b'"chat"', b'"gpt"'))


async def test_who_expects_a_100_is_told_to_go_on_or_refused_at_once() -> None:
    async with gateway(MOCK) as sluice:
        host, port = sluice.url.removeprefix("http://").split(":")
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n"
        reader, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps(HELLO).encode()
        writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode())
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        said, _ = await refused(sluice, f"{head}content-length: 99999999\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_in_openais_shape(data: bytes) -> None:
    async with gateway(MOCK) as sluice:
        answer = await raw(sluice, data)
        assert answer[8:13] == b" 400 "
        assert b"aiohttp" not in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"
        assert (await sluice.post())[0].status == 200


async def test_a_body_that_breaks_its_framing_is_refused() -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    async with gateway(MOCK) as sluice:
        answer = await raw(sluice, head + b"transfer-encoding: chunked\r\n\r\nzz\r\n")
        assert answer[8:13] == b" 400 "
        assert b"aiohttp" not in answer
        assert (await sluice.post())[0].status == 200


async def test_no_more_are_served_at_once_than_set() -> None:
    release = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await release.wait()
        await peer.send(json_answer({"choices": []}))

    async with serve(script) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/gpt"), max_in_flight=2) as sluice:
            waiting = [asyncio.create_task(sluice.post()) for _ in range(2)]
            await upstream.got(2)
            response, body = await sluice.post()
            assert (response.status, body["error"]["code"], response.headers["retry-after"]) == (503, "overloaded", "1")
            assert (await sluice.get("/health"))[0].status == 200
            release.set()
            assert [(await task)[0].status for task in waiting] == [200, 200]
            assert (await sluice.post())[0].status == 200


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with gateway(MOCK) as sluice:
        get = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
        last = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        answer = await raw(sluice, get * 3 + last)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200", b"404"]


@pytest.mark.parametrize("wish", [b"", b"connection: keep-alive\r\n"])
async def test_http_1_0_gets_a_stream_that_ends_with_the_connection(wish: bytes) -> None:
    async with gateway(MOCK) as sluice:
        body = json.dumps(HELLO | {"stream": True}).encode()
        head = f"POST {CHAT} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n".encode()
        answer = await raw(sluice, head + wish + b"\r\n" + body)
    assert b"transfer-encoding" not in answer.lower()
    assert answer.endswith(b"data: [DONE]\n\n")


async def test_thousands_of_idle_connections_disturb_nobody() -> None:
    """The full ten thousand are opened against a process of its own, end to end."""
    async with gateway(MOCK) as sluice:
        host, port = sluice.url.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(1000)]
        try:
            assert (await sluice.post())[0].status == 200
        finally:
            for connection in idle:
                connection.close()
        async with aiohttp.ClientSession() as session, session.get(sluice.url + "/health") as response:
            assert response.status == 200
