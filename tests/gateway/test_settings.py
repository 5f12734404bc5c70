"""Settings come from flags, then variables, then defaults; a wrong one is named."""

from pathlib import Path

import pytest

from sluice_gateway.settings import Address, InvalidSetting, Settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address("", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:80", Address("::1", 80)),
        ("host:1", Address("host", 1)),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert Address.parse(text, name="x") == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "8080", "host:", "host:http", "host:70000", ":-1", ":\u00b2"])
def test_a_wrong_address_is_named(text: str) -> None:
    with pytest.raises(InvalidSetting, match="listen address"):
        Settings.read({}, listen=text or "x")


def test_the_defaults_are_those_of_a_pod() -> None:
    settings = Settings.read({})
    assert (settings.listen, settings.internal_listen) == (Address("", 8080), Address("", 9090))
    assert (settings.auth, settings.max_body_bytes, settings.max_in_flight) == (
        True,
        16777216,
        1000,
    )
    assert (settings.keepalive_seconds, settings.drain_seconds, settings.gateway, settings.namespace) == (
        15,
        300,
        "sluice-gateway",
        "default",
    )


def test_local_mode_stays_on_this_machine_and_asks_for_no_key() -> None:
    settings = Settings.read({}, local=True)
    assert (settings.listen, settings.auth) == (Address("127.0.0.1", 8080), False)


def test_local_mode_has_one_listener() -> None:
    assert Settings.read({"SLUICE_INTERNAL_LISTEN": ":9"}, local=True).internal_listen is None


def test_a_token_for_admin_is_in_a_file() -> None:
    assert Settings.read({}).admin_token_file is Settings.read({"SLUICE_ADMIN_TOKEN_FILE": ""}).admin_token_file is None
    assert Settings.read({"SLUICE_ADMIN_TOKEN_FILE": "/run/token"}, local=True).admin_token_file == Path("/run/token")


def test_variables_are_read() -> None:
    variables = {
        "SLUICE_LISTEN": ":9000",
        "SLUICE_INTERNAL_LISTEN": "127.0.0.1:9001",
        "SLUICE_AUTH": "off",
        "SLUICE_GATEWAY": "g",
        "SLUICE_NAMESPACE": "n",
        "SLUICE_MAX_BODY_BYTES": "10",
        "SLUICE_MAX_IN_FLIGHT": "2",
        "SLUICE_KEEPALIVE_SECONDS": "3",
        "SLUICE_DRAIN_SECONDS": "0",
        "SLUICE_LOG_LEVEL": "WARNING",
    }
    wanted = Settings(
        listen=Address("", 9000),
        internal_listen=Address("127.0.0.1", 9001),
        auth=False,
        gateway="g",
        namespace="n",
        max_body_bytes=10,
        max_in_flight=2,
        keepalive_seconds=3,
        drain_seconds=0,
        log_level="warning",
    )
    assert Settings.read(variables) == wanted


def test_a_flag_wins_over_a_variable() -> None:
    settings = Settings.read({"SLUICE_LISTEN": ":1", "SLUICE_AUTH": "off"}, listen=":2", auth="keys", local=True)
    assert (settings.listen.port, settings.auth) == (2, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLUICE_AUTH", "maybe"),
        ("SLUICE_LOG_LEVEL", "loud"),
        ("SLUICE_MAX_BODY_BYTES", "16MiB"),
        ("SLUICE_MAX_BODY_BYTES", "0"),
        ("SLUICE_MAX_IN_FLIGHT", "-1"),
        ("SLUICE_KEEPALIVE_SECONDS", "1.5"),
        ("SLUICE_DRAIN_SECONDS", "soon"),
        ("SLUICE_DRAIN_SECONDS", "\u00b2"),
        ("SLUICE_MAX_IN_FLIGHT", "1" * 5000),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        Settings.read({name: value})
