"""What ``sluice up`` tells the person in front of the terminal."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from sluice_gateway.commands.up import Terminal
from sluice_gateway.settings import Address
from sluice_gateway.sources.source import Loaded, Refused
from tests.support.command import SLUICE, running
from tests.support.gateway import loaded, provider, route


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address("127.0.0.1", 8080), "http://127.0.0.1:8080/v1/"),
        (Address("", 8080), "http://localhost:8080/v1/"),
        (Address("::1", 8080), "http://[::1]:8080/v1/"),
    ],
)
def test_the_printed_curl_can_be_pasted(address: Address, url: str) -> None:
    out = io.StringIO()
    terminal = Terminal(out, auth=False)
    terminal.listening(address)
    terminal.show(loaded(provider("mock") + route("chat", "mock")))
    assert f"curl {url}" in out.getvalue()


def shown(*events: Loaded | Refused, auth: bool = False) -> str:
    out = io.StringIO()
    terminal = Terminal(out, auth=auth, keys="default/sluice-gateway-keys")
    terminal.listening(Address("127.0.0.1", 8080))
    for event in events:
        terminal.show(event)
    return out.getvalue()


KEYED = {"credentials": {"secretRef": {"name": "openai", "key": "api-key"}}}


def test_what_is_loaded_says_that_a_part_of_it_is_not_served() -> None:
    good = loaded(provider("mock") + route("chat", "mock"))
    out = shown(good, loaded(provider("mock") + route("chat", "mcok") + route("other", "mock", models=("other",))))
    assert "did you mean mock?" in out
    assert "loaded test: 2 routes, 1 provider; what 1 error named above concerns is not served\n" in out


def test_a_finding_is_said_once_until_it_was_mended() -> None:
    flawed = loaded(provider("up", "http://127.0.0.1:9", **KEYED) + route("chat", "up/gpt"))
    good = loaded(provider("mock") + route("chat", "mock"))
    assert shown(flawed, flawed).count("Secret default/openai not found") == shown(flawed).count("not found")
    assert shown(flawed, good, flawed).count("not found") == 2 * shown(flawed).count("not found")


@pytest.mark.parametrize(("callers", "said"), [({}, True), ({"team-a": "sk-1"}, False)])
def test_it_says_when_nobody_has_a_key(callers: Mapping[str, str], said: bool) -> None:
    out = shown(loaded(provider("mock") + route("chat", "mock"), callers=callers), auth=True)
    assert ("there is no Secret default/sluice-gateway-keys" in out) is said
    assert ("1 caller key" in out) is not said


async def test_a_folder_that_is_not_there_is_the_end(tmp_path: Path) -> None:
    async with running(SLUICE, "up", "-f", tmp_path / "nope") as command:
        assert await command.ended() == 1
    assert command.err == f"sluice: {tmp_path / 'nope'}: no such file or folder\n"
