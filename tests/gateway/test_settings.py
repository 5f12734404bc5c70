"""Settings come from flags, then variables, then defaults; a wrong one is named."""

from pathlib import Path

import pytest

from sluice_gateway.settings import Address, InvalidSetting, Settings, StateAddress
from sluice_gateway.upstream import Endpoint


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


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.test/services/T0/B0/key",
        "http://alerts:8080/?token=a%20b",
        "https://127.0.0.1",
        "http://[::1]:9/x",
        "HTTPS://Alerts.Test.",
    ],
)
def test_a_webhook_is_a_url_that_is_not_shown(url: str) -> None:
    settings = Settings.read({"SLUICE_ALERT_WEBHOOK": f"{url}\n"})
    assert settings.alert_webhook == url
    assert url not in repr(settings)
    Endpoint("POST", url)
    assert Settings.read({}).alert_webhook == Settings.read({"SLUICE_ALERT_WEBHOOK": ""}).alert_webhook == ""


@pytest.mark.parametrize(
    "url",
    [
        "hooks.test/key",
        "ftp://hooks.test/key",
        "https:///key",
        "https://user@hooks.test/key",
        "https://hooks.test/#key",
        "https://hooks.test/a key",
        "https://hooks.test:0/key",
        "https://hooks.test:70000/key",
        "https://[::1/key",
        "https://[key]/",
        "https://hooks.test/key\nx",
    ],
)
def test_a_wrong_webhook_is_named_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidSetting, match="SLUICE_ALERT_WEBHOOK") as refused:
        Settings.read({"SLUICE_ALERT_WEBHOOK": url})
    assert "key" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://state", StateAddress(host="state")),
        ("redis://state:7/3", StateAddress(host="state", port=7, database=3)),
        ("rediss://:p%40ss@state/", StateAddress(host="state", tls=True, password="p@ss")),
        ("redis://user:word@[::1]:9", StateAddress(host="::1", port=9, username="user", password="word")),
    ],
)
def test_where_the_state_redis_is(url: str, address: StateAddress) -> None:
    assert Settings.read({"SLUICE_STATE_URL": url}).state == address


def test_without_a_state_redis_there_is_none() -> None:
    assert Settings.read({"SLUICE_STATE_URL": "", "SLUICE_STATE_PASSWORD": "x"}).state is None


def test_the_password_of_the_state_redis_may_stand_alone_and_is_not_shown() -> None:
    read = Settings.read({"SLUICE_STATE_URL": "redis://state", "SLUICE_STATE_PASSWORD": "correct-horse"})
    assert read.state is not None
    assert read.state.password == "correct-horse"
    assert "correct-horse" not in repr(read)
    both = Settings.read({"SLUICE_STATE_URL": "redis://:in-url@state", "SLUICE_STATE_PASSWORD": "correct-horse"})
    assert both.state is not None
    assert both.state.password == "in-url"


@pytest.mark.parametrize(
    "url",
    [
        "state:6379",
        "http://:horse@state",
        "redis://",
        "redis://:horse@",
        "redis://:horse@state:70000",
        "redis://:horse@state/zero",
        "redis://:horse@state/0?ssl=1",
        "redis://:horse@state/0#1",
        "redis://:horse@[state",
        "unix:///horse",
    ],
)
def test_a_wrong_state_url_is_named_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidSetting, match="SLUICE_STATE_URL") as refused:
        Settings.read({"SLUICE_STATE_URL": url})
    assert "horse" not in str(refused.value)
    assert refused.value.__cause__ is None
