"""An answer may be split, and break off, at any byte: always the same answer, always the right error, never a hang."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.upstream import BadAnswer, ConnectionLost, LeanUpstream
from sluice_gateway.upstream.answer import LeanAnswer
from sluice_gateway.upstream.parser import AnswerParser
from tests.support.exchanges import exchange, pieces, send
from tests.support.upstream import LAST_CHUNK, Peer, Request, answer, chunk, head, says, serve, stream_head

HEAD = [("content-type", "text/plain"), ("x-a", "1")]
SENT = {
    "length": answer(200, b"Hello, world", HEAD),
    "chunked": stream_head() + chunk(b"Hello,") + b"6;a=b\r\n world\r\n0\r\nx-sum: 1\r\n\r\n",
    "interim": head(103, [("link", "</a>")]) + answer(200, b"Hello, world"),
}


@pytest.mark.parametrize("case", SENT)
async def test_split_at_any_byte_it_is_the_same_answer(lean: LeanUpstream, case: str) -> None:
    sent = SENT[case]

    async def script(peer: Peer, request: Request) -> None:
        at = int(request.body)
        await peer.send(sent[:at])
        await peer.drip(sent[at:], len(sent))

    async with serve(script) as upstream:
        for at in range(1, len(sent)):
            reply = await send(lean, upstream, str(at).encode())
            assert (reply.status, b"".join(await pieces(reply))) == (200, b"Hello, world"), at
        assert len(upstream.peers) == 1


@pytest.mark.parametrize("case", SENT)
async def test_byte_by_byte_it_is_the_same_answer(lean: LeanUpstream, case: str) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.drip(SENT[case])

    async with serve(script) as upstream:
        assert await exchange(lean, upstream) == b"Hello, world"
        assert await exchange(lean, upstream) == b"Hello, world"
        assert len(upstream.peers) == 1


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("case", SENT)
async def test_broken_off_after_any_byte_it_is_a_lost_connection(lean: LeanUpstream, case: str, reset: bool) -> None:
    """A new connection: nothing is repeated, and what had come of the body is delivered before the error."""
    sent = SENT[case]

    async def script(peer: Peer, request: Request) -> None:
        await peer.drip(sent[: int(request.body)], len(sent))
        if reset:
            peer.cut()
        else:
            peer.end()

    async with serve(script) as upstream:
        for at in range(len(sent)):
            got = b""
            with pytest.raises(ConnectionLost) as lost:
                reply = await send(lean, upstream, str(at).encode())
                while piece := await reply.chunk():
                    got += piece
            assert lost.value.answered == (at > 0), at
            assert b"Hello, world".startswith(got), at
        assert len(upstream.requests) == len(sent)
        assert await exchange(lean, upstream, str(len(sent)).encode()) == b"Hello, world"


@pytest.mark.parametrize("reset", [True, False])
async def test_a_kept_connection_broken_off_before_any_byte_is_replaced_and_after_one_not(
    lean: LeanUpstream, reset: bool
) -> None:
    sent = SENT["chunked"]

    async def script(peer: Peer, request: Request) -> None:
        if not request.body or sum(1 for one in upstream.requests if one.connection == peer.number) == 1:
            await peer.send(sent)
            return
        await peer.drip(sent[: int(request.body)], len(sent))
        (peer.cut if reset else peer.end)()

    async with serve(script) as upstream:
        for at in range(0, len(sent), 7):
            assert await exchange(lean, upstream, b"") == b"Hello, world"
            before = len(upstream.requests)
            if at == 0:
                assert await exchange(lean, upstream, b"0") == b"Hello, world"
                assert len(upstream.requests) == before + 2
            else:
                with pytest.raises(ConnectionLost):
                    await exchange(lean, upstream, str(at).encode())
                assert len(upstream.requests) == before + 1


class Nothing:
    """Stands for a connection where only parsing matters."""

    def pause(self) -> None:
        """Not asked here."""

    resume = drop = pause


def parse(fed: Sequence[bytes]) -> tuple[LeanAnswer, AnswerParser]:
    """Feed a new parser. Raises BadAnswer."""
    loop = asyncio.new_event_loop()
    loop.close()
    parser, found = AnswerParser(), LeanAnswer(loop, Nothing())
    parser.begin(found, bodiless=False)
    for piece in fed:
        if piece and not parser.complete:
            parser.feed(piece)
    return found, parser


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places, wherever they fall."""
    places = sorted({place % len(data) for place in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.sampled_from([b"", b";a", b';a="b"', b";a=b;c"]))),
    st.lists(st.integers(0, 10_000), max_size=20),
    st.sampled_from([b"", b"x-sum: 1\r\n"]),
)
def test_any_chunking_split_anywhere_is_the_body(
    parts: list[tuple[bytes, bytes]], cuts: list[int], trailer: bytes
) -> None:
    body = b"".join(b"%X%b\r\n%b\r\n" % (len(piece), extension, piece) for piece, extension in parts)
    found, parser = parse(split(stream_head() + body + b"0\r\n" + trailer + b"\r\n", cuts))
    assert b"".join(found.pieces) == b"".join(piece for piece, _ in parts)
    assert found.size == sum(len(piece) for piece, _ in parts)
    assert parser.complete
    assert parser.keep_alive


@given(st.binary(max_size=500), st.lists(st.integers(0, 10_000), max_size=20), st.binary(max_size=20))
def test_any_length_split_anywhere_is_the_body_and_no_more(body: bytes, cuts: list[int], extra: bytes) -> None:
    found, parser = parse(split(answer(200, body) + extra, cuts))
    assert b"".join(found.pieces) == body
    assert parser.complete


@given(st.lists(st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", b"\r\n", chunk(b"a"), LAST_CHUNK]) | st.binary()))
def test_nothing_makes_the_parser_raise_anything_else(fed: list[bytes]) -> None:
    for start in ([stream_head()], [b"HTTP/1.1 200 OK\r\n"], []):
        with contextlib.suppress(BadAnswer):
            parse([*start, *fed])


async def test_whatever_it_says_it_is_not_asked_twice(lean: LeanUpstream) -> None:
    async with serve(says(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")) as upstream:
        for _ in range(3):
            with pytest.raises(BadAnswer):
                await send(lean, upstream)
        assert [request.connection for request in upstream.requests] == [0, 1, 2]
