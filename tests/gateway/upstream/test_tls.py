"""TLS: who the upstream says it is gets verified, and what holds in plain HTTP holds here too."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme

from sluice_gateway.upstream import (
    BadAnswer,
    ConnectFailed,
    ConnectionLost,
    Endpoint,
    LeanUpstream,
    SessionUpstream,
    Upstream,
)
from sluice_gateway.upstream.answer import HIGH_WATER
from sluice_gateway.upstream.connection import Connection
from sluice_gateway.upstream.dial import connect, default_tls
from sluice_gateway.upstream.endpoint import Origin
from tests.support.exchanges import LIMIT, PATIENT
from tests.support.upstream import (
    Peer,
    Request,
    Script,
    ScriptedUpstream,
    answer,
    chunk,
    head,
    says,
    says_then_cuts,
    says_then_ends,
    says_then_stalls,
    serve,
    stream_head,
)

AUTHORITY = trustme.CA()
Legs = Callable[[Callable[[], ssl.SSLContext]], Upstream]


def server(*names: str, authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """A server's side with a certificate for these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@functools.cache
def trusting() -> ssl.SSLContext:
    """The client's side of production, with our authority instead of the system's."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


def named(upstream: ScriptedUpstream, host: str = "localhost") -> Endpoint:
    return Endpoint("POST", f"https://{host}:{upstream.port}/v1/chat")


@pytest.fixture(params=[LeanUpstream, SessionUpstream], ids=["lean", "session"])
def leg(request: pytest.FixtureRequest) -> Legs:
    """Either implementation, made with a TLS context of the test's."""
    return lambda tls: LeanUpstream(tls=tls) if request.param is LeanUpstream else SessionUpstream({}, tls=tls)


async def test_a_verified_upstream_is_spoken_to_by_its_name(leg: Legs) -> None:
    seen: list[str | None] = []
    context = server("localhost")
    context.set_alpn_protocols(["http/1.1"])
    context.sni_callback = lambda _, name, __: seen.append(name)
    client = leg(trusting)
    async with serve(says(answer(200, b"safe")), tls=context) as upstream:
        for body in (b"{}", bytes(4 * 1024 * 1024)):
            reply = await client.send(named(upstream), body, PATIENT)
            assert await reply.read(LIMIT) == b"safe"
        assert [(len(one.body), one.connection) for one in upstream.requests] == [(2, 0), (4 * 1024 * 1024, 0)]
        await client.close()
    assert seen == ["localhost"]


async def test_an_address_is_verified_as_well(leg: Legs) -> None:
    client = leg(trusting)
    async with serve(says(answer(200, b"safe")), tls=server("127.0.0.1")) as upstream:
        reply = await client.send(named(upstream, "127.0.0.1"), b"", PATIENT)
        assert await reply.read(LIMIT) == b"safe"
        await client.close()


@pytest.mark.parametrize(
    "context",
    [server("other.example"), server("localhost", authority=trustme.CA())],
    ids=["for another name", "by another authority"],
)
async def test_a_certificate_that_is_not_the_upstreams_is_refused(leg: Legs, context: ssl.SSLContext) -> None:
    client = leg(trusting)
    async with serve(says(answer()), tls=context) as upstream:
        with pytest.raises(ConnectFailed) as refused:
            await client.send(named(upstream), b"secret", PATIENT)
        assert refused.value.reason == "the TLS certificate was not accepted"
        assert not upstream.requests
        await client.close()


async def test_the_systems_authorities_are_trusted_and_no_others() -> None:
    client = LeanUpstream()
    async with serve(says(answer()), tls=server("localhost")) as upstream:
        with pytest.raises(ConnectFailed, match="certificate"):
            await client.send(named(upstream), b"", PATIENT)
        await client.close()


def test_the_context_of_production_verifies_and_is_made_once() -> None:
    context = default_tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert default_tls() is context


async def test_tls_1_1_is_refused() -> None:
    context = server("localhost")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    client = LeanUpstream(tls=trusting)
    async with serve(says(answer()), tls=context) as upstream:
        with pytest.raises(ConnectFailed, match="TLS handshake failed"):
            await client.send(named(upstream), b"", PATIENT)
        await client.close()


async def test_an_upstream_that_does_not_speak_tls_is_no_connection(leg: Legs) -> None:
    async def greeting(peer: Peer) -> None:
        await peer.send(b"220 mail.example ESMTP\r\n")
        await peer.stall()

    client = leg(trusting)
    async with serve(says(), greeting=greeting) as upstream:
        with pytest.raises(ConnectFailed):
            await client.send(named(upstream), b"", PATIENT)
        await client.close()


async def test_an_upstream_that_closes_in_the_handshake_is_no_connection(leg: Legs) -> None:
    async def greeting(peer: Peer) -> None:
        peer.cut()

    client = leg(trusting)
    async with serve(says(), greeting=greeting) as upstream:
        with pytest.raises((ConnectFailed, ConnectionLost)):
            await client.send(named(upstream), b"", PATIENT)
        await client.close()


async def test_closing_before_the_end_reaches_the_upstream(leg: Legs) -> None:
    client = leg(trusting)
    async with serve(says_then_stalls(stream_head() + chunk(b"a")), tls=server("localhost")) as upstream:
        reply = await client.send(named(upstream), b"", PATIENT)
        assert await reply.chunk() == b"a"
        reply.close()
        await upstream.left()
        await client.close()


@pytest.mark.parametrize("at", [0, 10, 40, 60])
@pytest.mark.parametrize("how", [says_then_ends, says_then_cuts])
async def test_broken_off_it_is_a_lost_connection(at: int, how: Callable[[bytes], Script]) -> None:
    client = LeanUpstream(tls=trusting)
    sent = answer(200, b"a" * 20)
    assert len(sent) > 60
    async with serve(how(sent[:at]), tls=server("localhost")) as upstream:
        with pytest.raises(ConnectionLost):
            await (await client.send(named(upstream), b"", PATIENT)).read(LIMIT)
        await upstream.left()
        await client.close()


async def test_a_body_that_ends_with_the_stream_ends_cleanly() -> None:
    client = LeanUpstream(tls=trusting)
    async with serve(says_then_ends(head() + b"all"), tls=server("localhost")) as upstream:
        reply = await client.send(named(upstream), b"", PATIENT)
        assert await reply.read(LIMIT) == b"all"
        await client.close()


async def test_a_slow_reader_pauses_the_upstream_here_too() -> None:
    async def flood(peer: Peer, request: Request) -> None:
        await peer.send(head(200, [("content-length", str(32 * LIMIT))]))
        for _ in range(32):
            await peer.send(bytes(LIMIT))

    client = LeanUpstream(tls=trusting)
    async with serve(flood, tls=server("localhost")) as upstream:
        reply = await client.send(named(upstream), b"", PATIENT)
        read = 0
        while piece := await reply.chunk():
            assert len(piece) <= 3 * HIGH_WATER
            read += len(piece)
            for _ in range(5):
                await asyncio.sleep(0)
        assert read == 32 * LIMIT
        assert len(upstream.peers) == 1
        await client.close()


async def test_nonsense_is_a_bad_answer_here_too() -> None:
    client = LeanUpstream(tls=trusting)
    async with serve(says(b"SSH-2.0-x\r\n"), tls=server("localhost")) as upstream:
        with pytest.raises(BadAnswer):
            await client.send(named(upstream), b"", PATIENT)
        await upstream.left()
        await client.close()


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of loopback on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def test_the_first_address_that_answers_is_used(dead_port: int) -> None:
    """Happy eyeballs: RFC 8305. An address family that leads nowhere costs an attempt, not the request."""
    loop = asyncio.get_running_loop()
    async with serve(says(answer(200, b"found"))) as upstream:
        addresses = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", dead_port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", dead_port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", upstream.port)),
        ]
        origin = Origin("http", "two.example", 80)
        connection = await connect(addresses, origin, lambda: Connection(loop, 60), default_tls)
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.drop()
        await upstream.left()
        with pytest.raises(ConnectFailed) as failed:
            await connect(addresses[:2], origin, lambda: Connection(loop, 60), default_tls)
        assert failed.value.reason in {"connection refused", "connection failed"}  # both refused, or no IPv6 here
