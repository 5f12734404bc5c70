"""Streams: frames pass as they come, endings are told apart, and a break gives one well-formed error."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from sluice_gateway import sse
from tests.support.gateway import CHAT, HELLO, RunningGateway, asking, gateway, provider, route
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    chunk,
    event_stream,
    json_answer,
    says,
    says_then_cuts,
    says_then_stalls,
    serve,
    stream_head,
)

STREAM = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
TEXT = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = [TEXT, TEXT, STOP, USAGE, DONE]


def in_front_of(url: str) -> str:
    return provider("up", url) + route("chat", "up/gpt")


async def streamed(sluice: RunningGateway) -> tuple[aiohttp.ClientResponse, bytes]:
    async with sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
        return response, await response.read()


async def test_a_stream_passes_unchanged() -> None:
    async with serve(says(event_stream(WHOLE))) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        response, body = await streamed(sluice)
        [line] = await sluice.logged()
    assert (response.status, body) == (200, b"".join(WHOLE))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-sluice-target"] == "up/gpt"
    assert (line["status"], line["stream"], line["prompt_tokens"], line["completion_tokens"]) == (200, True, 3, 2)
    assert line["code"] is None


async def test_usage_is_asked_for_and_counted_and_shown_only_to_those_who_want_it() -> None:
    unasked = HELLO | {"stream": True}
    async with serve(says(event_stream(WHOLE))) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=unasked) as response:
            assert await response.read() == TEXT + TEXT + STOP + DONE
        [line] = await sluice.logged()
        assert upstream.requests[0].json() == {"stream_options": {"include_usage": True}, **unasked, "model": "gpt"}
    assert (line["prompt_tokens"], line["completion_tokens"]) == (3, 2)


async def test_usage_is_asked_for_in_one_place_however_the_caller_writes_it() -> None:
    body = b'{"model":"chat","stream":true,"stream\\u005foptions":null,"messages":[]}'
    async with serve(says(event_stream(WHOLE))) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with sluice.session.post(sluice.url + CHAT, data=body, headers={"content-type": "application/json"}):
            pass
    members = json.loads(upstream.requests[0].body, object_pairs_hook=list)
    assert [value for name, value in members if name == "stream_options"] == [[("include_usage", True)]]


@pytest.mark.parametrize("count", [0, -1])
async def test_a_wish_for_no_answer_makes_a_cut_stream_no_whole_one(count: int) -> None:
    async with serve(says_then_cuts(stream_head() + chunk(TEXT))) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            async with sluice.session.post(sluice.url + CHAT, json=STREAM | {"n": count}) as response:
                body = await response.read()
    assert b"provider_error" in body
    assert DONE not in body


async def test_the_connection_to_the_provider_is_kept_after_a_stream() -> None:
    async with serve(says(event_stream(WHOLE))) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        for _ in range(3):
            await streamed(sluice)
        assert {request.connection for request in upstream.requests} == {0}


async def test_frames_reach_the_caller_while_the_provider_still_speaks() -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(TEXT))
        await heard.wait()
        await peer.send(chunk(STOP), chunk(DONE), LAST_CHUNK)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            assert await response.content.readuntil(b"\n\n") == TEXT
            heard.set()
            assert await response.read() == STOP + DONE


async def test_frames_are_whole_however_they_arrive() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        await peer.drip(b"".join(chunk(bytes([byte])) for byte in b"".join(WHOLE)), 60)
        await peer.send(LAST_CHUNK)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        assert (await streamed(sluice))[1] == b"".join(WHOLE)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param([TEXT, STOP], [TEXT, STOP, DONE], id="no DONE after a finish_reason is complete"),
        pytest.param([TEXT, STOP, DONE.rstrip()], [TEXT, STOP, DONE], id="no blank line at the end"),
        pytest.param(
            [b": ping\n\n", TEXT, STOP, b": ping\n\n"], [b": ping\n\n", TEXT, STOP, b": ping\n\n", DONE], id="pings"
        ),
        pytest.param([TEXT.replace(b"\n", b"\r\n"), STOP, DONE], [TEXT.replace(b"\n", b"\r\n"), STOP, DONE], id="CRLF"),
    ],
)
async def test_a_complete_stream_ends_with_done(frames: list[bytes], expected: list[bytes]) -> None:
    async with serve(says(event_stream(frames))) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        _, body = await streamed(sluice)
        assert sse.data_of(body) == sse.data_of(b"".join(expected))
        assert (await sluice.logged())[0]["status"] == 200


async def ends(peer: Peer) -> None:
    peer.end()


async def cuts(peer: Peer) -> None:
    peer.cut()


def goes_on(*frames: bytes) -> Callable[[Peer], Awaitable[None]]:
    async def tail(peer: Peer) -> None:
        await peer.send(*(chunk(frame) for frame in frames), LAST_CHUNK)

    return tail


@pytest.mark.parametrize(
    ("tail", "reason", "passed"),
    [
        pytest.param(ends, "lost", 1, id="closed inside the body"),
        pytest.param(cuts, "lost", 1, id="reset"),
        pytest.param(goes_on(), "ended before", 1, id="a clean end without finish_reason"),
        pytest.param(goes_on(b"data: {oops\n\n"), "not JSON", 1, id="broken JSON"),
        pytest.param(goes_on(TEXT + b"data: {oops\n\n"), "not JSON", 2, id="broken JSON behind a good frame"),
        pytest.param(goes_on(b'data: {"cho'), "not JSON", 1, id="an unfinished frame"),
        pytest.param(goes_on(b'data: {"error":{"message":"boom"}}\n\n'), "boom", 1, id="an error inside"),
        pytest.param(goes_on(b"data: x" * 3_000_000), "an event of more than", 1, id="a frame without end"),
    ],
)
async def test_a_break_gives_one_error_event_and_no_done(
    tail: Callable[[Peer], Awaitable[None]], reason: str, passed: int
) -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(TEXT))
        await heard.wait()
        await tail(peer)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            body = await response.content.readuntil(b"\n\n")
            heard.set()
            body += await response.read()
        [line] = await sluice.logged()
        metrics = await (await sluice.session.get(sluice.url + "/metrics")).text()
    *good, last = sse.data_of(body)
    assert response.status == 200
    assert good == sse.data_of(TEXT) * passed
    error = json.loads(last)["error"]
    assert (error["code"], error["type"]) == ("provider_error", "server_error")
    assert reason in error["message"]
    assert (line["status"], line["code"]) == (502, "provider_error")
    assert 'sluice_attempts_total{result="provider_error",target="up/gpt"} 1.0' in metrics


async def test_a_stream_that_stalls_ends_with_a_timeout() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(TEXT))
        await peer.stall()

    async with serve(script) as upstream:
        text = provider("up", upstream.url, timeouts={"idleSeconds": 1}) + route("chat", "up/gpt")
        async with gateway(text) as sluice:
            _, body = await streamed(sluice)
            await upstream.left()
    assert json.loads(sse.data_of(body)[-1])["error"]["code"] == "timeout"


@pytest.mark.parametrize("frames", [[TEXT, STOP], [TEXT, STOP, DONE]])
async def test_a_cut_after_the_answers_end_is_no_cut(frames: list[bytes]) -> None:
    cut = says_then_cuts(stream_head() + b"".join(chunk(frame) for frame in frames))
    async with serve(cut) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        _, body = await streamed(sluice)
        assert sse.data_of(body) == sse.data_of(TEXT + STOP + DONE)
        assert (await sluice.logged())[0]["status"] == 200


async def test_of_several_answers_at_once_each_must_end() -> None:
    """Else a cut in the second would look like its end, once the first has ended."""
    second = STOP.replace(b'"delta"', b'"index":1,"delta"')
    first_only = says_then_cuts(stream_head() + chunk(TEXT) + chunk(STOP))
    both = says_then_cuts(stream_head() + chunk(TEXT) + chunk(STOP) + chunk(second))
    for script, status in ((first_only, 502), (both, 200)):
        async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
            async with sluice.session.post(sluice.url + CHAT, json=STREAM | {"n": 2}) as response:
                await response.read()
            assert (await sluice.logged())[0]["status"] == status


async def test_an_end_mark_alone_is_no_answer() -> None:
    async with serve(says(event_stream([DONE]))) as empty, serve(says(event_stream(WHOLE))) as upstream:
        text = provider("empty", empty.url) + provider("up", upstream.url) + route("chat", "empty", "up/gpt")
        async with gateway(text) as sluice:
            response, body = await streamed(sluice)
    assert (response.headers["x-sluice-target"], body) == ("up/gpt", b"".join(WHOLE))


async def test_nor_is_it_behind_comments() -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        await heard.wait()
        await peer.send(chunk(DONE), LAST_CHUNK)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url), keepalive_seconds=0.05) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            assert await response.content.readuntil(b"\n\n") == sse.KEEP_ALIVE
            heard.set()
            [error] = sse.data_of(await response.read())
        assert "ended before it began" in json.loads(error)["error"]["message"]
        assert (await sluice.logged())[0]["status"] == 502


async def test_the_caller_is_not_kept_waiting_after_done() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), *(chunk(frame) for frame in WHOLE))
        await peer.stall()

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with asyncio.timeout(2):
            assert (await streamed(sluice))[1] == b"".join(WHOLE)
        await upstream.left()


async def test_silence_is_filled_with_comments() -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        await heard.wait()
        await peer.send(*(chunk(frame) for frame in WHOLE), LAST_CHUNK)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url), keepalive_seconds=0.05) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            for _ in range(3):
                assert await response.content.readuntil(b"\n\n") == sse.KEEP_ALIVE
            heard.set()
            assert sse.data_of(await response.read()) == sse.data_of(b"".join(WHOLE))


async def test_a_provider_that_does_not_stream_is_no_stream() -> None:
    async with serve(says(json_answer({"choices": []}))) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        response, body = await sluice.post(STREAM)
        assert (response.status, body["error"]["code"]) == (502, "provider_error")


async def test_a_caller_that_leaves_takes_the_providers_request_with_it() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(TEXT))
        await peer.stall()

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=STREAM) as response:
            await response.content.readuntil(b"\n\n")
            response.close()
        await upstream.left()
        [line] = await sluice.logged()
    assert (line["status"], line["code"]) == (499, "client_left")


async def test_a_caller_that_leaves_before_the_answer_takes_the_request_with_it() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.stall()

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        asking = asyncio.create_task(sluice.post())
        await upstream.got(1)
        asking.cancel()
        await upstream.left()
        assert (await sluice.logged())[0]["status"] == 499


async def test_a_slow_caller_slows_the_provider_down() -> None:
    """Neither side's speed is made up for with memory: what the provider could send stays with it."""
    sent = 0
    total = 400
    frame = chunk(b'data: {"choices":[],"x":"' + b"y" * 100_000 + b'"}\n\n')

    async def script(peer: Peer, request: Request) -> None:
        nonlocal sent
        await peer.send(stream_head())
        for _ in range(total):
            await peer.send(frame)
            sent += 1
        await peer.send(chunk(STOP), chunk(DONE), LAST_CHUNK)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with (
            aiohttp.ClientSession(read_bufsize=4096) as slow,
            slow.post(sluice.url + CHAT, json=STREAM) as response,
        ):
            await response.content.readany()
            settled = -1
            while settled != sent:
                settled = sent
                for _ in range(200):
                    await asyncio.sleep(0.001)
            assert sent < total / 2
            assert (await response.read()).endswith(STOP + DONE)
    assert sent == total


async def test_a_caller_that_leaves_with_the_whole_answer_was_served() -> None:
    """It need not wait for the provider to end its connection, as the gateway does for a moment."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), *(chunk(frame) for frame in WHOLE))
        await peer.stall()

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with sluice.session.post(sluice.url + CHAT, json=STREAM, headers={"connection": "close"}) as response:
            assert await response.read() == b"".join(WHOLE)
        [line] = await sluice.logged()
    assert (line["status"], line["code"]) == (200, None)


async def test_the_kind_of_a_stream_may_be_written_in_capitals() -> None:
    whole = event_stream(WHOLE).replace(b"text/event-stream", b"Text/Event-Stream; charset=UTF-8")
    async with serve(says(whole)) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        assert (await streamed(sluice))[1] == b"".join(WHOLE)


async def test_a_stream_that_ends_in_the_drain_ends_its_connection() -> None:
    """Else a caller that keeps its connection busy would hold the drain up to its last second."""
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(TEXT))
        await heard.wait()
        await peer.send(chunk(STOP), chunk(DONE), LAST_CHUNK)

    async with serve(script) as upstream, gateway(in_front_of(upstream.url)) as sluice:
        async with asking(sluice, STREAM) as (reader, _):
            other = asyncio.create_task(streamed(sluice))
            await reader.readuntil(TEXT)
            await upstream.got(2)
            sluice.process.stop()
            heard.set()
            async with asyncio.timeout(5):
                assert (await reader.read()).endswith(b"0\r\n\r\n")
                await other


async def test_a_stream_that_outlasts_the_drain_is_not_said_to_be_left_by_its_caller() -> None:
    stalls = says_then_stalls(stream_head() + chunk(TEXT))
    async with serve(stalls) as upstream, gateway(in_front_of(upstream.url), drain_seconds=0.0) as sluice:
        async with asking(sluice, STREAM) as (reader, _):
            await reader.readuntil(TEXT)
            sluice.process.stop()
            rest = await reader.read()
        [data] = sse.data_of(rest[rest.index(b"data:") : rest.rindex(b"\r\n")])
        assert json.loads(data)["error"]["code"] == "not_ready"
        assert not rest.endswith(b"0\r\n\r\n")  # nobody shall take it for the whole answer
        [line] = await sluice.logged()
        await upstream.left()
    assert (line["status"], line["code"]) == (503, "not_ready")
