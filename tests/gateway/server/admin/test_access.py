"""Who gets in: the token from anywhere, without one only programs of this machine that are no website's."""

from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sluice_gateway.server.admin.access import Access, is_loopback, not_from_here, only_this_machine
from sluice_gateway.server.door import Methods
from sluice_gateway.settings import Address, Settings
from sluice_gateway.telemetry.log import Logger
from tests.support.doors import OpenDoor, open_door

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8080", "localhost.", "127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "[::1]", "[::1]:8080"],
)
def test_names_and_addresses_of_this_machine(host: str) -> None:
    assert not_from_here([host], [], []) == ""
    assert not_from_here([host], [f"http://{host.upper()}"], ["same-origin"]) == ""
    assert not_from_here([host], [], ["none"]) == ""


@pytest.mark.parametrize(
    "host",
    [
        *("", ":8080", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("10.0.0.1", "0.0.0.0", "[::]", "[::1", "[::1]x", "::1", "localhost:8080:1", "evil@localhost", "localhost/x"),
        *("[fe80::1]", "localhost:123456", "2130706433", "127.1", "xn--localhost", "localhost "),
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    assert "the header host" in not_from_here([host], [], [])


def test_one_host_must_be_given() -> None:
    assert "the header host" in not_from_here([], [], [])
    assert "the header host" in not_from_here(["localhost", "localhost"], [], [])


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:8080",
        "file://",
    ],
)
def test_other_origins_are_refused(origin: str) -> None:
    assert "origin" in not_from_here(["localhost:8080"], [origin], [])
    assert "origin" in not_from_here(["localhost:8080"], ["http://localhost:8080", origin], [])


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything"])
def test_other_sites_are_refused(site: str) -> None:
    assert "sec-fetch-site" in not_from_here(["localhost:8080"], [], [site])


@pytest.mark.parametrize(
    ("listen", "internal", "open_"),
    [
        (Address("127.0.0.1", 8080), None, True),
        (Address("::1", 8080), None, True),
        (Address("localhost", 0), None, True),
        (Address("", 8080), None, False),
        (Address("0.0.0.0", 8080), None, False),
        (Address("192.168.1.2", 8080), None, False),
        (Address("127.0.0.1", 8080), Address("127.0.0.1", 9090), False),
    ],
)
def test_only_one_listener_on_loopback_is_open(listen: Address, internal: Address | None, open_: bool) -> None:
    assert only_this_machine(Settings(listen=listen, internal_listen=internal)) is open_


def test_an_empty_host_is_all_interfaces() -> None:
    assert not is_loopback("")


def guarded(token_file: Path | None, *, local: bool) -> Callable[[Logger], Mapping[str, Methods]]:
    """A path that says who has asked."""

    def paths(logger: Logger) -> Mapping[str, Methods]:
        access = Access(token_file, local=local, logger=logger)

        async def who(request: web.BaseRequest) -> web.StreamResponse:
            return web.json_response({"who": access.admit(request)})

        return {"/": {"GET": who}}

    return paths


async def asked(door: OpenDoor, **headers: str) -> tuple[int, str, str]:
    """The status, who it was or which error, and the error's message."""
    status, body = await door.ask("/", **headers)
    return (status, body["who"], "") if status == 200 else (status, body["error"]["code"], body["error"]["message"])


async def test_without_a_token_a_pod_says_how_to_open_it() -> None:
    async with open_door(guarded(None, local=False)) as door:
        status, code, message = await asked(door)
        assert (status, code) == (403, "admin_closed")
        assert "SLUICE_ADMIN_TOKEN_FILE" in message
        assert door.log()[-1] | {"time": ""} == {
            "event": "admin refused",
            "level": "warning",
            "time": "",
            "method": "GET",
            "path": "/",
            "reason": message,
        }


async def test_on_a_laptop_programs_get_in_and_websites_do_not() -> None:
    async with open_door(guarded(None, local=True)) as door:
        assert await asked(door) == (200, "local", "")
        assert (await asked(door, host="evil.example"))[:2] == (403, "admin_closed")
        assert (await asked(door, origin="http://evil.example"))[:2] == (403, "admin_closed")
        assert (await asked(door, **{"sec-fetch-site": "cross-site"}))[:2] == (403, "admin_closed")


@pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"])
async def test_what_a_proxy_of_this_machine_passes_on_is_refused_without_a_token(header: str, tmp_path: Path) -> None:
    async with open_door(guarded(None, local=True)) as door:
        status, code, message = await asked(door, **{header: "for=203.0.113.7"})
        assert (status, code) == (403, "admin_closed")
        assert "proxy" in message
    file = tmp_path / "token"
    file.write_text(TOKEN)
    async with open_door(guarded(file, local=True)) as door:
        assert await asked(door, authorization=f"Bearer {TOKEN}", **{header: "x"}) == (200, "token", "")


async def test_the_token_is_asked_for_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    async with open_door(guarded(file, local=True)) as door:
        assert await asked(door, authorization=f"Bearer {TOKEN}") == (200, "token", "")
        assert await asked(door, authorization=f"bearer {TOKEN}", host="admin.example") == (200, "token", "")
        for wrong in ({}, {"authorization": ""}, {"authorization": TOKEN}, {"authorization": f"Basic {TOKEN}"}):
            status, code, message = await asked(door, **wrong)
            assert (status, code, "Bearer TOKEN" in message) == (401, "invalid_api_key", True)
        for guess in (TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "\u00e9"):
            assert (await asked(door, authorization=f"Bearer {guess}"))[:2] == (401, "invalid_api_key")
        assert TOKEN not in door.log_text().lower()


async def test_two_tokens_are_none(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    async with open_door(guarded(file, local=False)) as door:
        headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")]
        async with aiohttp.ClientSession() as session, session.get(door.url, headers=headers) as response:
            assert response.status == 401


async def test_a_rotated_token_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old-token")
    async with open_door(guarded(file, local=False)) as door:
        assert (await asked(door, authorization="Bearer old-token"))[0] == 200
        file.write_text("new-token")
        assert (await asked(door, authorization="Bearer old-token"))[0] == 401
        assert (await asked(door, authorization="Bearer new-token"))[0] == 200


async def test_a_file_that_holds_no_token_closes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with open_door(guarded(file, local=True)) as door:
        status, code, message = await asked(door, authorization="Bearer ")
        assert (status, code) == (403, "admin_closed")
        assert "the file is not there" in message
        assert str(tmp_path) not in message
        file.write_text("")
        assert (await asked(door, authorization="Bearer "))[:2] == (403, "admin_closed")
