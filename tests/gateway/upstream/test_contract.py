"""What every implementation of the contract does, in good days and bad."""

import asyncio
import gzip
import json
import zlib

import pytest

from sluice_gateway.upstream import (
    AnswerTooLarge,
    BadAnswer,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    Endpoint,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    Upstream,
    UpstreamError,
)
from tests.support.exchanges import LIMIT, PATIENT, SHORT, endpoint, exchange, patient, pieces, send
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    answer,
    chunk,
    event_stream,
    head,
    json_answer,
    says,
    says_then_cuts,
    says_then_ends,
    says_then_stalls,
    serve,
    stream_head,
)


async def test_the_request_arrives_as_it_was_given_and_with_nothing_else(client: Upstream) -> None:
    async with serve(says(answer())) as upstream:
        target = Endpoint("POST", upstream.url + "/v1/chat?a=1&b=%20", [("Authorization", "Bearer k"), ("x-a", "1")])
        reply = await client.send(target, b'{"a": 1}', PATIENT, [("x-request-id", "r1")])
        reply.close()
        [request] = upstream.requests
    assert (request.method, request.target, request.body) == ("POST", "/v1/chat?a=1&b=%20", b'{"a": 1}')
    assert request.headers == {
        "host": f"127.0.0.1:{upstream.port}",
        "accept-encoding": "identity",
        "authorization": "Bearer k",
        "x-a": "1",
        "x-request-id": "r1",
        "content-length": "8",
    }


async def test_a_request_without_a_body_has_no_length(client: Upstream) -> None:
    async with serve(says(answer())) as upstream:
        (await client.send(endpoint(upstream, "GET"), b"", PATIENT)).close()
        (await client.send(endpoint(upstream, "POST"), b"", PATIENT)).close()
        lengths = [request.headers.get("content-length") for request in upstream.requests]
    assert lengths == [None, "0"]


async def test_a_large_request_arrives_whole(client: Upstream) -> None:
    body = bytes(range(256)) * 40_000
    async with serve(says(answer(200, b"ok"))) as upstream:
        assert await exchange(client, upstream, body) == b"ok"
        assert upstream.requests[0].body == body


async def test_status_and_headers(client: Upstream) -> None:
    headers = [("X-Twice", "1"), ("x-twice", "2"), ("X-Latin", "caf\xe9")]
    async with serve(says(answer(529, b"busy", headers))) as upstream:
        reply = await send(client, upstream)
        assert reply.status == 529
        assert (reply.header("x-twice"), reply.header("x-none")) == ("1", None)
        assert [pair for pair in reply.headers if pair[0] == "x-twice"] == [("x-twice", "1"), ("x-twice", "2")]
        assert await reply.read(LIMIT) == b"busy"
        reply.close()


BODY = b'{"ok": true}'
WHOLE = {
    "length": (answer(200, BODY), BODY),
    "chunked": (answer(200, BODY, chunked=True), BODY),
    "several chunks": (event_stream([b"data: 1\n\n", b"data: 2\n\n"]), b"data: 1\n\ndata: 2\n\n"),
    "empty": (answer(), b""),
    "no chunks": (stream_head() + LAST_CHUNK, b""),
    "204": (head(204), b""),
    "304": (head(304, [("content-length", "10")]), b""),
    "after 100": (head(100) + answer(200, BODY), BODY),
    "after 103": (head(103, [("link", "</a>")]) + head(103) + answer(200, BODY), BODY),
    "trailers": (stream_head() + chunk(BODY) + b"0\r\nx-sum: 1\r\n\r\n", BODY),
    "chunk extensions": (stream_head() + b"2;a=b\r\nok\r\n" + LAST_CHUNK, b"ok"),
    "identity": (answer(200, BODY, [("content-encoding", "identity")]), BODY),
}


@pytest.mark.parametrize("case", WHOLE)
async def test_a_body_is_read_whole_or_in_pieces_and_the_connection_kept(client: Upstream, case: str) -> None:
    sent, body = WHOLE[case]
    async with serve(says(sent)) as upstream:
        assert await exchange(client, upstream) == body
        reply = await send(client, upstream)
        assert b"".join(await pieces(reply)) == body
        assert await reply.chunk() == b""
        reply.close()
        reply.close()
        assert [request.connection for request in upstream.requests] == [0, 0]


LAST = {
    "connection: close": answer(200, BODY, [("connection", "close")]),
    "HTTP/1.0": answer(200, BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "the end is the end of the stream": head(200) + BODY,
}


@pytest.mark.parametrize("case", LAST)
async def test_a_connection_that_will_close_is_not_used_again(client: Upstream, case: str) -> None:
    async with serve(says_then_ends(LAST[case])) as upstream:
        assert await exchange(client, upstream) == BODY
        assert await exchange(client, upstream) == BODY
        assert [request.connection for request in upstream.requests] == [0, 1]


async def test_the_answer_to_head_has_no_body(client: Upstream) -> None:
    async with serve(says(head(200, [("content-length", "10")]))) as upstream:
        reply = await client.send(endpoint(upstream, "HEAD"), b"", PATIENT)
        assert (reply.header("content-length"), await reply.read(LIMIT)) == ("10", b"")
        reply.close()


async def test_a_redirect_is_an_answer_like_any_other(client: Upstream) -> None:
    async with serve(says(answer(307, b"", [("location", "/elsewhere")]))) as upstream:
        reply = await send(client, upstream)
        assert (reply.status, reply.header("location")) == (307, "/elsewhere")
        reply.close()
        assert len(upstream.requests) == 1


async def test_each_piece_is_delivered_before_the_next_is_sent(client: Upstream) -> None:
    delivered = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        for number in range(3):
            delivered.clear()
            await peer.send(chunk(b"data: %d\n\n" % number))
            await delivered.wait()
        await peer.send(LAST_CHUNK)

    async with serve(script) as upstream:
        reply = await send(client, upstream)
        for number in range(3):
            assert await reply.chunk() == b"data: %d\n\n" % number
            delivered.set()
        assert await reply.chunk() == b""
        reply.close()


@pytest.mark.parametrize("sent", [answer(200, b"x" * 11), answer(200, b"x" * 11, chunked=True), head() + b"x" * 11])
async def test_a_body_above_the_limit_is_refused_and_the_connection_closed(client: Upstream, sent: bytes) -> None:
    async with serve(says_then_stalls(sent)) as upstream:
        reply = await send(client, upstream)
        with pytest.raises(AnswerTooLarge):
            await reply.read(10)
    async with serve(says_then_ends(head() + b"x" * 10)) as upstream:
        reply = await send(client, upstream)
        assert len(await reply.read(10)) == 10
        reply.close()


async def test_an_endless_body_is_refused_at_the_limit(client: Upstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        while True:
            await peer.send(chunk(b"x" * 10_000))

    async with serve(script) as upstream:
        reply = await send(client, upstream)
        with pytest.raises(AnswerTooLarge):
            await reply.read(LIMIT)
        reply.close()
        await upstream.left()


async def test_closing_before_the_end_reaches_the_upstream(client: Upstream) -> None:
    async with serve(says_then_stalls(stream_head() + chunk(b"data: 1\n\n"))) as upstream:
        reply = await send(client, upstream)
        assert await reply.chunk() == b"data: 1\n\n"
        reply.close()
        reply.close()
        await upstream.left()
        with pytest.raises(UpstreamError):
            await reply.chunk()


@pytest.mark.parametrize("sent", [b"", head(100), b"HTTP/1.1 200 O"])
async def test_cancelling_send_reaches_the_upstream(client: Upstream, sent: bytes) -> None:
    async with serve(says_then_stalls(sent)) as upstream:
        task = asyncio.create_task(send(client, upstream))
        await upstream.got(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.left()


@pytest.mark.parametrize("whole", [True, False])
async def test_cancelling_a_read_reaches_the_upstream(client: Upstream, whole: bool) -> None:
    async with serve(says_then_stalls(stream_head())) as upstream:
        reply = await send(client, upstream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await (reply.read(LIMIT) if whole else reply.chunk())
        await upstream.left()
        reply.close()


async def test_no_answer_in_time(client: Upstream) -> None:
    async with serve(says_then_stalls()) as upstream:
        with pytest.raises(FirstByteTimeout):
            await send(client, upstream, timeouts=patient(first_byte=SHORT))
        await upstream.left()


async def test_a_head_that_comes_too_slowly_is_no_answer_in_time(client: Upstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.drip(b"x-slow: 1\r\n")
            await peer.pace(SHORT / 10)

    async with serve(script) as upstream:
        with pytest.raises(FirstByteTimeout):
            await send(client, upstream, timeouts=patient(first_byte=SHORT))


@pytest.mark.parametrize("sent", [stream_head() + chunk(b"a"), answer(200, b"ab")[:-1], head() + b"a"])
async def test_a_body_that_stalls(client: Upstream, sent: bytes) -> None:
    async with serve(says_then_stalls(sent)) as upstream:
        reply = await send(client, upstream, timeouts=patient(idle=SHORT))
        assert await reply.chunk() == b"a"
        with pytest.raises(IdleTimeout):
            await reply.chunk()
        await upstream.left()
        reply.close()


async def test_the_total_time_counts_everywhere(client: Upstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        while True:
            await peer.send(chunk(b"data: 1\n\n"))
            await peer.pace(SHORT / 10)

    async with serve(script) as upstream:
        reply = await send(client, upstream, timeouts=patient(total=4 * SHORT))
        with pytest.raises(TotalTimeout):
            await pieces(reply)
        await upstream.left()
    async with serve(says_then_stalls()) as upstream:
        with pytest.raises(TotalTimeout):
            await send(client, upstream, timeouts=patient(total=SHORT))


async def test_a_handshake_that_never_ends_is_no_connection_in_time(client: Upstream) -> None:
    async def mute(peer: Peer) -> None:
        await peer.stall()

    async with serve(says(), greeting=mute) as upstream:
        target = Endpoint("POST", f"https://127.0.0.1:{upstream.port}/")
        with pytest.raises(ConnectTimeout):
            await client.send(target, b"", patient(connect=SHORT))
        with pytest.raises(TotalTimeout):
            await client.send(target, b"", patient(total=SHORT))
        await upstream.left()


async def test_a_closed_port_is_no_connection_and_names_no_host(client: Upstream) -> None:
    async with serve(says()) as upstream:
        target = endpoint(upstream)
    with pytest.raises(ConnectFailed) as refused:
        await client.send(target, b"", PATIENT)
    assert "127.0.0.1" not in str(refused.value)


async def test_an_unknown_host_is_no_connection_and_is_not_named(client: Upstream) -> None:
    with pytest.raises(ConnectFailed, match="could not be resolved") as refused:
        await client.send(Endpoint("GET", "http://nowhere.invalid/"), b"", PATIENT)
    assert "nowhere" not in str(refused.value)


async def test_an_upstream_that_closes_without_a_word(client: Upstream) -> None:
    for script in (says_then_ends(b""), says_then_cuts(b"")):
        async with serve(script) as upstream:
            with pytest.raises(ConnectionLost) as lost:
                await send(client, upstream)
            assert not lost.value.answered


CUT = {
    "length": answer(200, b"abc")[:-1],
    "chunk": stream_head() + chunk(b"ab") + b"3\r\nx"[:-1],
    "last chunk": stream_head() + chunk(b"ab") + b"0\r\n",
}


@pytest.mark.parametrize("case", CUT)
@pytest.mark.parametrize("whole", [True, False])
async def test_a_body_that_is_cut_is_lost_after_what_had_come(client: Upstream, case: str, whole: bool) -> None:
    async with serve(says_then_ends(CUT[case])) as upstream:
        reply = await send(client, upstream)
        with pytest.raises(ConnectionLost) as lost:
            if whole:
                await reply.read(LIMIT)
            else:
                assert await reply.chunk() == b"ab"
                await reply.chunk()
        assert lost.value.answered
        reply.close()


@pytest.mark.parametrize(
    "sent", [b"SSH-2.0-OpenSSH\r\n", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"\0" * 100]
)
async def test_something_else_than_http_is_a_bad_answer(client: Upstream, sent: bytes) -> None:
    async with serve(says_then_stalls(sent)) as upstream:
        with pytest.raises(BadAnswer):
            await send(client, upstream)
        await upstream.left()


TEXT = json.dumps({"content": "Hello, world. " * 5000}).encode()
CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]),
    "deflate": zlib.compress(TEXT),
    "Deflate": zlib.compress(TEXT, wbits=-15),
}


@pytest.mark.parametrize("coding", CODED)
async def test_a_compressed_body_is_decoded_and_says_so_no_more(client: Upstream, coding: str) -> None:
    async with serve(says(answer(200, CODED[coding], [("content-encoding", coding), ("x-a", "1")]))) as upstream:
        reply = await send(client, upstream)
        assert (reply.status, reply.headers, reply.header("x-a")) == (200, [("x-a", "1")], "1")
        assert reply.header("content-encoding") is reply.header("content-length") is None
        assert await reply.read(LIMIT) == TEXT
        reply.close()
        assert b"".join(await pieces(await send(client, upstream))) == TEXT
        assert [request.connection for request in upstream.requests] == [0, 0]


async def test_an_unknown_coding_is_a_bad_answer(client: Upstream) -> None:
    async with serve(says(answer(200, b"?", [("content-encoding", "br")]))) as upstream:
        with pytest.raises(BadAnswer, match="coding"):
            await send(client, upstream)


@pytest.mark.parametrize(
    "header",
    [("x-a", "1\r\nx-b: 2"), ("x-a", "1\n2"), ("x-a", "\0"), ("x a", "1"), ("content-length", "1"), ("x-a", "日")],
)
async def test_a_header_that_would_not_stay_one_is_refused_before_anything_is_sent(
    client: Upstream, header: tuple[str, str]
) -> None:
    async with serve(says(answer())) as upstream:
        with pytest.raises(ValueError, match="header") as refused:
            await send(client, upstream, headers=[header])
        assert not upstream.peers
        assert header[1] not in str(refused.value)


async def test_many_at_once_each_get_their_own(client: Upstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.drip(json_answer(request.json()), 50)

    async def one(number: int) -> None:
        assert json.loads(await exchange(client, upstream, json.dumps([number] * number).encode())) == [number] * number

    async with serve(script) as upstream:
        for _ in range(3):
            await asyncio.gather(*map(one, range(20)))
        assert len(upstream.peers) <= 20


async def test_a_closed_client_sends_nothing_more(client: Upstream) -> None:
    async with serve(says(answer())) as upstream:
        await exchange(client, upstream)
        await client.close()
        await upstream.left()
        with pytest.raises(ConnectFailed):
            await send(client, upstream)
