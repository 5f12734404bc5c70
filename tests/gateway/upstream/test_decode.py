"""Compressed bodies: decoded as they come, in bounded pieces, to their own end and not a byte further."""

import asyncio
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.upstream import AnswerTooLarge, BadAnswer, LeanUpstream
from sluice_gateway.upstream.decode import MAX_PIECE, Decoder
from tests.support.exchanges import LIMIT, pieces, send
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    answer,
    chunk,
    event_stream,
    says,
    says_then_stalls,
    serve,
    stream_head,
)

GZIP = [("content-encoding", "gzip")]
BOMB = gzip.compress(bytes(64 * LIMIT))


def decode(encoded: bytes, size: int, *, is_gzip: bool) -> bytes:
    """Fed in pieces of `size`. Raises BadAnswer."""
    decoder, found = Decoder(is_gzip=is_gzip), []
    for start in range(0, len(encoded), size):
        decoder.feed(encoded[start : start + size])
        while piece := decoder.take():
            assert len(piece) <= MAX_PIECE
            found.append(piece)
    decoder.end()
    return b"".join(found)


@given(st.lists(st.binary(max_size=2000), max_size=5), st.integers(1, 500))
def test_members_and_splits_do_not_matter(members: list[bytes], size: int) -> None:
    assert decode(b"".join(map(gzip.compress, members)), size, is_gzip=True) == b"".join(members)


@given(st.binary(max_size=2000), st.integers(1, 500), st.sampled_from([15, -15]))
def test_deflate_with_or_without_its_wrapping(body: bytes, size: int, window: int) -> None:
    assert decode(zlib.compress(body, wbits=window), size, is_gzip=False) == body


@pytest.mark.parametrize("size", [1, 100, 1_000_000])
@pytest.mark.parametrize("length", [MAX_PIECE - 1, MAX_PIECE, MAX_PIECE + 1, 10 * MAX_PIECE])
def test_what_zlib_holds_back_is_not_lost(size: int, length: int) -> None:
    assert decode(gzip.compress(bytes(length)), size, is_gzip=True) == bytes(length)


async def test_each_piece_is_decoded_as_it_comes(lean: LeanUpstream) -> None:
    engine = zlib.compressobj(wbits=31)
    frames = [b"data: %d\n\n" % number for number in range(3)]
    delivered = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(GZIP))
        for frame in frames:
            delivered.clear()
            await peer.send(chunk(engine.compress(frame) + engine.flush(zlib.Z_SYNC_FLUSH)))
            await delivered.wait()
        await peer.send(chunk(engine.flush()) + LAST_CHUNK)

    async with serve(script) as upstream:
        reply = await send(lean, upstream)
        for frame in frames:
            assert await reply.chunk() == frame
            delivered.set()
        assert await reply.chunk() == b""


@pytest.mark.parametrize(
    "encoded",
    [
        gzip.compress(b"text")[:-1],
        gzip.compress(b"text")[:5],
        gzip.compress(b"text") + b"?",
        b"plain text",
        b"\x1f\x8b",
    ],
    ids=["cut", "cut in its head", "followed by something", "not compressed", "two bytes"],
)
async def test_a_damaged_body_is_a_bad_answer(lean: LeanUpstream, encoded: bytes) -> None:
    async with serve(says(answer(200, encoded, GZIP))) as upstream:
        reply = await send(lean, upstream)
        with pytest.raises(BadAnswer):
            await pieces(reply)


@pytest.mark.parametrize(
    "encoded",
    [zlib.compress(b"text") + b"?", zlib.compress(b"text")[:-1], b"\xff\xff"],
    ids=["followed by something", "cut", "not compressed"],
)
async def test_a_damaged_deflate_body_is_a_bad_answer(lean: LeanUpstream, encoded: bytes) -> None:
    async with serve(says(answer(200, encoded, [("content-encoding", "deflate")]))) as upstream:
        reply = await send(lean, upstream)
        with pytest.raises(BadAnswer):
            await reply.read(LIMIT)


async def test_the_limit_of_a_reader_counts_decoded_bytes(lean: LeanUpstream) -> None:
    async with serve(says_then_stalls(answer(200, gzip.compress(b"ab" * 500), GZIP)[:-1])) as upstream:
        reply = await send(lean, upstream)
        with pytest.raises(AnswerTooLarge):
            await reply.read(999)
        await upstream.left()
    async with serve(says(answer(200, gzip.compress(b"ab" * 500), GZIP))) as upstream:
        assert await (await send(lean, upstream)).read(1000) == b"ab" * 500


async def test_a_bomb_is_refused_in_bounded_memory(lean: LeanUpstream) -> None:
    async with serve(says(answer(200, BOMB, GZIP))) as upstream:
        reply = await send(lean, upstream)
        with pytest.raises(AnswerTooLarge):
            await reply.read(LIMIT)
        reply = await send(lean, upstream)
        got = 0
        with pytest.raises(BadAnswer, match="expands"):
            while piece := await reply.chunk():
                assert len(piece) <= MAX_PIECE
                got += len(piece)
        assert got < len(BOMB) * 200 + 2 * LIMIT


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "gzip;q=1"])
async def test_another_coding_is_a_bad_answer_and_the_connection_dropped(lean: LeanUpstream, coding: str) -> None:
    async with serve(says_then_stalls(stream_head([("content-encoding", coding)]))) as upstream:
        with pytest.raises(BadAnswer, match="unknown content coding"):
            await send(lean, upstream)
        await upstream.left()


async def test_two_coding_headers_are_two_codings(lean: LeanUpstream) -> None:
    async with serve(says_then_stalls(stream_head(GZIP + GZIP))) as upstream:
        with pytest.raises(BadAnswer):
            await send(lean, upstream)


async def test_an_empty_body_needs_no_compression(lean: LeanUpstream) -> None:
    async with serve(says(answer(200, b"", GZIP), event_stream([], GZIP))) as upstream:
        for _ in range(2):
            assert await (await send(lean, upstream)).read(LIMIT) == b""
