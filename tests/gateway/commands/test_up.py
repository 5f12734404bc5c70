"""What ``sluice up`` tells the person in front of the terminal."""

import io

import pytest

from sluice_gateway.commands.up import Terminal
from sluice_gateway.settings import Address
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
