"""Where an answer begins and ends, told by an upstream that lies: the lean leg is sure, or it drops the connection."""

import pytest

from sluice_gateway.upstream import BadAnswer, LeanUpstream
from sluice_gateway.upstream.parser import MAX_HEAD, MAX_HEADERS, MAX_INTERIM
from tests.support.exchanges import LIMIT, PATIENT, endpoint, exchange, send
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    answer,
    chunk,
    head,
    says,
    says_then_ends,
    says_then_stalls,
    serve,
    stream_head,
)

OK = b"HTTP/1.1 200 OK\r\n"
OTHER = answer(200, b"smuggled")

BAD_HEADS = {
    "conflicting lengths": OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a repeated length": OK + b"content-length: 1\r\ncontent-length: 1\r\n\r\na",
    "a list of lengths": OK + b"content-length: 1, 1\r\n\r\na",
    "a signed length": OK + b"content-length: +1\r\n\r\na",
    "a negative length": OK + b"content-length: -1\r\n\r\na",
    "an empty length": OK + b"content-length: \r\n\r\na",
    "a hexadecimal length": OK + b"content-length: 0x1\r\n\r\na",
    "a length beyond 64 bits": OK + b"content-length: 99999999999999999999\r\n\r\na",
    "a length beside chunked": OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked beside a length": OK + b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
    "an unknown transfer coding": OK + b"transfer-encoding: gzip\r\n\r\n",
    "a coding before chunked": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding after chunked": OK + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "almost chunked": OK + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a folded line": OK + b"x-a: 1\r\n 2\r\ncontent-length: 0\r\n\r\n",
    "NUL in a value": OK + b"x-a: 1\0\r\ncontent-length: 0\r\n\r\n",
    "NUL in a name": OK + b"x\0a: 1\r\ncontent-length: 0\r\n\r\n",
    "a bare CR": OK + b"x-a: 1\r2\r\ncontent-length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "a space before the colon": OK + b"content-length : 0\r\n\r\n",
    "a line without a colon": OK + b"content-length\r\n\r\n",
    "a header without a name": OK + b": 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n",
    "RTSP": b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "a blank line first": b"\r\n" + answer(),
    "status 99": head(99) + answer(),
    "status 600": head(600, [("content-length", "0")]),
    "status 1000": head(1000, [("content-length", "0")]),
    "101": head(101, [("connection", "upgrade"), ("upgrade", "h2c")]) + answer(),
    "a plain 101": head(101) + answer(),
    "too many interim answers": head(103) * (MAX_INTERIM + 1) + answer(),
    "too many headers": head(200, [("x", "1")] * (MAX_HEADERS + 1)),
    "a giant status line": b"HTTP/1.1 200 " + b"x" * MAX_HEAD + b"\r\n\r\n",
    "a giant header": OK + b"x-a: " + b"x" * MAX_HEAD + b"\r\n\r\n",
    "many large headers": OK + (b"x-a: " + b"x" * 1000 + b"\r\n") * 70 + b"\r\n",
    "interim answers that are large together": head(103, [("x-a", "x" * (MAX_HEAD // 2))]) * 2 + answer(),
}


@pytest.mark.parametrize("case", BAD_HEADS)
async def test_a_bad_head_is_refused_and_the_connection_dropped(lean: LeanUpstream, case: str) -> None:
    async with serve(says_then_stalls(BAD_HEADS[case])) as upstream:
        with pytest.raises(BadAnswer):
            await send(lean, upstream)
        await upstream.left()
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("case", BAD_HEADS)
async def test_a_bad_head_is_refused_also_when_it_comes_byte_by_byte(lean: LeanUpstream, case: str) -> None:
    size = max(1, len(BAD_HEADS[case]) // 200)

    async def script(peer: Peer, request: Request) -> None:
        await peer.drip(BAD_HEADS[case], size)
        await peer.stall()

    async with serve(script) as upstream:
        with pytest.raises(BadAnswer):
            await send(lean, upstream)
        await upstream.left()


# More than what one read can hold and the parser then takes.
ENDLESS = 8 * MAX_HEAD
BAD_BODIES = {
    "a chunk size of letters": b"zz\r\n",
    "a signed chunk size": b"-2\r\nok\r\n",
    "a prefixed chunk size": b"0x2\r\nok\r\n",
    "an empty chunk size": b"\r\nok\r\n",
    "a chunk size beyond 64 bits": b"fffffffffffffffff\r\nok\r\n",
    "a chunk longer than it said": b"2\r\nokay\r\n",
    "a chunk shorter than it said": b"4\r\nok\r\n0\r\n\r\n",
    "bare LF after a chunk size": b"2\nok\r\n",
    "bare LF after a chunk": b"2\r\nok\n",
    "a space after a chunk size": b"2 \r\nok\r\n",
    "endless extensions": b"2;" + b"x" * ENDLESS,
    "an endless trailer": b"0\r\nx-a: " + b"x" * ENDLESS,
    "many trailers": b"0\r\n" + (b"x-a: " + b"x" * 1000 + b"\r\n") * (ENDLESS // 1000),
    "a folded trailer": b"0\r\nx-a: 1\r\n 2\r\n\r\n",
}


@pytest.mark.parametrize("case", BAD_BODIES)
@pytest.mark.parametrize("together", [True, False])
async def test_a_bad_chunk_is_refused_after_the_good_ones(lean: LeanUpstream, case: str, together: bool) -> None:
    async def script(peer: Peer, request: Request) -> None:
        good = stream_head() + chunk(b"good")
        if together:
            await peer.send(good + BAD_BODIES[case])
        else:
            await peer.send(good)
            await peer.drip(BAD_BODIES[case], max(1, len(BAD_BODIES[case]) // 100))
        await peer.stall()

    async with serve(script) as upstream:
        reply = await send(lean, upstream)
        assert (await reply.chunk()).startswith(b"good")
        with pytest.raises(BadAnswer):
            await reply.read(LIMIT)
        await upstream.left()


@pytest.mark.parametrize("extra", [OTHER, b"H", b"x", b"\0", OTHER[:20]])
@pytest.mark.parametrize(
    "whole",
    [answer(200, b"mine"), answer(200, b"mine", chunked=True), answer(200, b"mine", [("connection", "close")])],
    ids=["length", "chunked", "close"],
)
async def test_what_follows_a_message_is_nobodys_answer(lean: LeanUpstream, whole: bytes, extra: bytes) -> None:
    async with serve(says(whole + extra)) as upstream:
        assert await exchange(lean, upstream) == b"mine"
        assert await exchange(lean, upstream) == b"mine"
        assert [request.connection for request in upstream.requests] == [0, 1]


@pytest.mark.parametrize("status", [204, 304])
async def test_a_body_after_an_answer_that_has_none_is_nobodys_answer(lean: LeanUpstream, status: int) -> None:
    async with serve(says(head(status, [("content-length", str(len(OTHER)))]) + OTHER)) as upstream:
        assert await exchange(lean, upstream) == b""
        assert await exchange(lean, upstream) == b""
        assert [request.connection for request in upstream.requests] == [0, 1]


async def test_a_body_in_the_answer_to_head_is_nobodys_answer(lean: LeanUpstream) -> None:
    async with serve(says(OTHER)) as upstream:
        for _ in range(2):
            reply = await lean.send(endpoint(upstream, "HEAD"), b"", PATIENT)
            assert await reply.read(LIMIT) == b""
        assert [request.connection for request in upstream.requests] == [0, 1]


@pytest.mark.parametrize("unasked", [OTHER, b"x", b"\r\n", head(408, [("connection", "close")])])
async def test_what_comes_unasked_ends_an_idle_connection(lean: LeanUpstream, unasked: bytes) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(answer(200, b"mine"))
        if request.connection == 0:
            await upstream.until(lambda: bool(lean.occupancy()[target.origin].idle) or peer.closed.is_set())
            await peer.send(unasked)
            await peer.until_closed()

    async with serve(script) as upstream:
        target = endpoint(upstream)
        assert await exchange(lean, upstream) == b"mine"
        upstream.changed()
        await upstream.left()
        assert await exchange(lean, upstream) == b"mine"
        assert [request.connection for request in upstream.requests] == [0, 1]


async def test_what_comes_unasked_before_the_first_request_ends_the_connection(lean: LeanUpstream) -> None:
    """A connection that was dialled for a request is not yet used by it when the bytes come."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(answer(200, b"mine"))

    async def greeting(peer: Peer) -> None:
        await peer.send(b"220 mail.example ESMTP\r\n")

    async with serve(script, greeting=greeting) as upstream:
        with pytest.raises(Exception, match=r"lost|not valid HTTP"):
            await send(lean, upstream)
        await upstream.left()


async def test_a_head_of_exactly_the_limit_is_taken(lean: LeanUpstream) -> None:
    start = OK + b"content-length: 4\r\nx-a: "
    sent = start + b"x" * (MAX_HEAD - len(start) - 4) + b"\r\n\r\nmine"
    assert len(sent) == MAX_HEAD + 4
    async with serve(says(sent, sent.replace(b"x-a: ", b"x-a: x"))) as upstream:
        assert await exchange(lean, upstream) == b"mine"
        with pytest.raises(BadAnswer, match="too large"):
            await exchange(lean, upstream)


async def test_http_1_0_keeps_a_connection_only_when_it_says_so(lean: LeanUpstream) -> None:
    kept = answer(200, b"mine", [("connection", "keep-alive")]).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with serve(says(kept, kept.replace(b"keep-alive", b"whatever"))) as upstream:
        for _ in range(3):
            assert await exchange(lean, upstream) == b"mine"
        assert [request.connection for request in upstream.requests] == [0, 0, 1]


async def test_chunked_ends_an_http_1_0_answer_as_well(lean: LeanUpstream) -> None:
    sent = answer(200, b"mine", chunked=True).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with serve(says_then_ends(sent)) as upstream:
        assert await exchange(lean, upstream) == b"mine"


async def test_many_small_chunks_are_one_body(lean: LeanUpstream) -> None:
    async with serve(says(stream_head() + chunk(b"x") * 50_000 + LAST_CHUNK)) as upstream:
        assert await exchange(lean, upstream) == b"x" * 50_000
