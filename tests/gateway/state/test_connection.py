"""The link to servers that do as they should not, and how it looks for one that is away."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from sluice_gateway.settings import StateAddress
from sluice_gateway.state.connection import CONNECT_SECONDS, Gone, Link
from sluice_gateway.state.news import connection_to
from sluice_gateway.state.scripts import script
from sluice_gateway.state.wire import packed
from sluice_gateway.telemetry.log import Logger
from tests.gateway.state.conftest import Logs
from tests.support.redis_server import RedisServer, available_programs

PROBE = "{sluice/default/gateway}probe"
SLACK = 2.0  # seconds: two busy cores may come late, which is not what is tested
GREETING = b"$40\r\n" + b"a" * 40 + b"\r\n*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n+OK\r\n"
"""What a server says to a script, to the question for its time, and to a value."""


def link_to(address: StateAddress, logger: Logger, patience: float = 5.0, **options: Any) -> Link:
    return Link(address, (script("settle"),), PROBE, logger, patience=patience, **options)


@asynccontextmanager
async def linked(address: StateAddress, logs: Logs, **options: Any) -> AsyncIterator[Link]:
    link = link_to(address, logs.logger, **options)
    await link.start()
    yield link
    await link.close()


async def ask(link: Link, *command: str) -> Any:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    link.ask(command, answer.set_result)
    return await answer


@asynccontextmanager
async def says(*answers: bytes) -> AsyncIterator[StateAddress]:
    """A server that answers whatever is said with these, one after the other, and then nothing; b"" hangs up."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        for answer in answers:
            if not await reader.read(65536) or not answer:
                break
            writer.write(answer)
        else:
            await reader.read(65536)
            await reader.read(65536)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield StateAddress(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    server.close()
    for writer in writers:
        writer.close()


def nobody() -> StateAddress:
    """Where no server is."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return StateAddress(host="127.0.0.1", port=free.getsockname()[1], password="correct-horse")


async def test_what_is_asked_at_the_same_time_shares_a_round_trip(redis_server: RedisServer, logs: Logs) -> None:
    async with linked(redis_server.address, logs) as link:
        redis_server.call("CONFIG", "RESETSTAT")
        answers = await asyncio.gather(*(ask(link, "ECHO", str(number)) for number in range(100)))
        assert answers == [str(number).encode() for number in range(100)]
        read = int(redis_server.call("INFO", "stats")["total_reads_processed"])
        assert read < 15  # most are of the client that asks for this


async def test_what_is_asked_again_goes_ahead_in_the_order_of_time(redis_server: RedisServer, logs: Logs) -> None:
    async with linked(redis_server.address, logs) as link:
        now = asyncio.get_running_loop().time()
        order: list[bytes] = []
        done = asyncio.Event()
        for name, asked in (("third", now), ("fourth", None), ("second", now - 1), ("first", now - 2)):
            link.ask(("ECHO", name), order.append, asked)
        link.ask(("ECHO", "last"), lambda _: done.set())
        await done.wait()
    assert order == [b"first", b"second", b"third", b"fourth"]


async def test_it_knows_the_servers_time(redis_server: RedisServer, logs: Logs) -> None:
    async with linked(redis_server.address, logs) as link:
        assert link.now() == pytest.approx(time.time(), abs=0.1)
        link.heard(int((time.time() + 100) * 1000))
        assert link.now() == pytest.approx(time.time() + 100, abs=0.1)
        link.heard(int((time.time() + 99.95) * 1000))  # it took its way
        assert link.now() == pytest.approx(time.time() + 100, abs=0.03)
        link.heard(int((time.time() - 50) * 1000))
        assert link.now() == pytest.approx(time.time() - 50, abs=0.1)
        until: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        carried_out = 0.9 * 5.0  # of the patience

        def command(milliseconds: int) -> bytes:
            until.set_result(milliseconds)
            return packed(("ECHO", "in time"))

        before = link.now()
        link.ask(command, answered.set_result)
        after = link.now()
        assert await answered == b"in time"
        assert int((before + carried_out) * 1000) <= await until <= (after + carried_out) * 1000


async def test_a_server_that_accepts_and_says_nothing_is_away(logs: Logs) -> None:
    async with says() as address:
        started = time.perf_counter()
        async with linked(address, logs) as link:
            assert time.perf_counter() - started < CONNECT_SECONDS + SLACK
            assert not link.available
            assert isinstance(await ask(link, "PING"), Gone)
    assert [line["reason"] for line in logs.lines()] == ["no answer in time"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n" * 3, "it is reading its data from disk"),
        (b"-NOAUTH Authentication required.\r\n" * 3, "it did not accept the password, or wants one"),
        (GREETING[:-5] + b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "its memory is full"),
        (
            GREETING[:-5] + b"-READONLY You can't write against a read only replica.\r\n",
            "it is a replica that may only be read",
        ),
        (GREETING[:-5] + b"-MISCONF Redis is configured to save RDB snapshots\r\n", "it can't write to its disk"),
        (
            GREETING[:-5] + b"-MOVED 1234 127.0.0.1:7001\r\n",
            "it is one of a cluster's servers, and not the one for our keys",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the connection was lost"),
        (b"", "the connection was lost"),
    ],
)
async def test_a_server_of_no_use_is_away(logs: Logs, answer: bytes, reason: str) -> None:
    async with says(answer) as address, linked(address, logs) as link:
        assert not link.available
        assert isinstance(await ask(link, "PING"), Gone)
    assert [(line["event"], line["reason"]) for line in logs.lines()] == [("state redis is away", reason)]


@pytest.mark.parametrize(
    ("answer", "reason", "seconds"),
    [
        (None, "no answer in time", 0.1),
        (b"$9\r\nhalf", "no answer in time", 0.1),
        (b"", "the connection was lost", 0.0),
        (b"-BUSY Redis is busy running a script.\r\n", "it is busy with a script", 0.0),
        (b"-ERR Error running script: -OOM command not allowed\r\n", "its memory is full", 0.0),  # as Redis 6 has it
        (b"garbage\r\n", "the connection was lost", 0.0),
    ],
)
async def test_whoever_asks_hears_that_it_went_away(
    logs: Logs, answer: bytes | None, reason: str, seconds: float
) -> None:
    answers = (GREETING,) if answer is None else (GREETING, answer)
    async with says(*answers) as address, linked(address, logs, patience=seconds or 5.0) as link:
        assert link.available
        started = time.perf_counter()
        asked = await asyncio.gather(*(ask(link, "PING") for _ in range(10)))
        assert seconds <= time.perf_counter() - started < seconds + SLACK
        assert all(isinstance(one, Gone) and str(one) == reason for one in asked)
        assert isinstance(await ask(link, "PING"), Gone)
    assert [(line["event"], line["reason"]) for line in logs.lines()] == [("state redis is away", reason)]


async def test_each_round_trip_has_all_of_its_time(logs: Logs) -> None:
    async with says(GREETING, b"+PONG\r\n") as address, linked(address, logs, patience=0.1) as link:
        assert await ask(link, "PING") == b"PONG"
        await asyncio.sleep(0.05)
        started = time.perf_counter()
        assert str(await ask(link, "PING")) == "no answer in time"
        assert 0.1 <= time.perf_counter() - started < 0.1 + SLACK


async def test_what_nobody_waits_for_any_more_is_not_asked(logs: Logs) -> None:
    async with says(GREETING, b"+1\r\n", b"+2\r\n") as address, linked(address, logs, patience=5) as link:
        for _ in range(2):
            link.ask(lambda _: None, pytest.fail)
        assert await ask(link, "PING") == b"1"
        link.ask(lambda _: None, pytest.fail)
        await asyncio.sleep(0.01)
        assert await ask(link, "PING") == b"2"


async def test_a_server_that_speaks_unasked_is_connected_to_anew(logs: Logs) -> None:
    async with says(GREETING, b"+1\r\n+more\r\n") as address, linked(address, logs, patience=5) as link:
        returned = asyncio.Event()
        link.returned.append(returned.set)
        for _ in range(2):
            assert await ask(link, "PING") == b"1"
            await asyncio.sleep(0.01)
        assert returned.is_set()
        assert link.available
    assert logs.events() == []


async def test_a_defect_of_ours_is_logged_and_nobody_waits_for_it(logs: Logs) -> None:
    async def sleep(_: float) -> None:
        await asyncio.Event().wait()

    def defective(_: int) -> bytes:
        raise ValueError

    async with says(GREETING) as address, linked(address, logs, patience=5, sleep=sleep) as link:
        heard: list[Any] = []
        link.ask(defective, heard.append)
        assert isinstance(await ask(link, "PING"), Gone)
        assert isinstance(heard[0], Gone)
    assert logs.events() == ["defect", "state redis is away"]


async def test_a_wrong_password_is_not_shown(redis_server: RedisServer, logs: Logs) -> None:
    redis_server.call("CONFIG", "SET", "requirepass", "battery-staple")
    redis_server.password = "battery-staple"
    wrong = StateAddress(host="127.0.0.1", port=redis_server.port, password="correct-horse")
    try:
        async with linked(redis_server.address, logs) as link:
            assert await ask(link, "PING") == b"PONG"
        for address in (wrong, replace(wrong, password="")):
            async with linked(address, logs) as link:
                assert not link.available
    finally:
        redis_server.call("CONFIG", "SET", "requirepass", "")
        redis_server.password = ""
    assert [line["reason"] for line in logs.lines()] == ["it did not accept the password, or wants one"] * 2
    assert "horse" not in str(logs.lines())
    assert "horse" not in repr(wrong) + repr(connection_to(wrong))


async def test_it_is_looked_for_less_and_less_often_and_said_once(logs: Logs) -> None:
    pauses: list[float] = []
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            over.set()
            await asyncio.Event().wait()

    async with linked(nobody(), logs, sleep=sleep, chance=lambda: 1.0):
        await over.wait()
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert [(line["event"], line["reason"]) for line in logs.lines()] == [("state redis is away", "connection refused")]


async def test_the_shortest_pauses_are_half_as_long(logs: Logs) -> None:
    paused: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def sleep(seconds: float) -> None:
        paused.set_result(seconds)
        await asyncio.Event().wait()

    async with linked(nobody(), logs, sleep=sleep, chance=lambda: 0.0):
        assert await paused == 0.125


async def test_a_host_without_an_address_is_away(logs: Logs) -> None:
    async with linked(StateAddress(host="state.invalid"), logs) as link:
        assert not link.available
    assert logs.lines()[0]["reason"] in ("its host name could not be resolved", "no answer in time")


async def test_who_waits_when_the_process_ends_hears_of_it(logs: Logs) -> None:
    async with says(GREETING) as address, linked(address, logs) as link:
        asked = [asyncio.create_task(ask(link, "PING")) for _ in range(3)]
        await asyncio.sleep(0.01)
        await link.close()
        assert all(isinstance(one, Gone) for one in await asyncio.gather(*asked))
        assert isinstance(await ask(link, "PING"), Gone)
    assert logs.events() == []


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


async def test_over_tls_the_certificate_counts(
    tmp_path: Path, logs: Logs, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    authority.cert_pem.write_to_path(tmp_path / "ca")
    files = ("--tls-cert-file", tmp_path / "cert", "--tls-key-file", tmp_path / "key", "--tls-auth-clients", "no")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = RedisServer(available_programs(os.environ), tmp_path, "--tls-port", str(port), *map(str, files))
    address = StateAddress(host="localhost", port=port, tls=True)
    try:
        async with linked(address, logs) as link:
            assert not link.available
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca"))
        async with linked(address, logs) as link:
            assert link.available
    finally:
        server.kill()
    assert [line["reason"] for line in logs.lines()] == ["its TLS certificate was not accepted"]
