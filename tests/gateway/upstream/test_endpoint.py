"""An endpoint is validated once, and is then exactly one request and no secrets."""

import pytest

from sluice_gateway.upstream import Endpoint
from sluice_gateway.upstream.endpoint import encode_headers


@pytest.mark.parametrize(
    ("url", "origin", "host", "target"),
    [
        ("http://example.com", ("http", "example.com", 80), "example.com", "/"),
        ("https://Example.COM/v1", ("https", "example.com", 443), "example.com", "/v1"),
        ("http://example.com:80/a", ("http", "example.com", 80), "example.com", "/a"),
        ("http://example.com:8080/a?b=c%20d", ("http", "example.com", 8080), "example.com:8080", "/a?b=c%20d"),
        ("http://[::1]:9/", ("http", "::1", 9), "[::1]:9", "/"),
        ("http://127.0.0.1/?q", ("http", "127.0.0.1", 80), "127.0.0.1", "/?q"),
        ("http://a_b.default.svc:8000/v1", ("http", "a_b.default.svc", 8000), "a_b.default.svc:8000", "/v1"),
    ],
)
def test_a_url_becomes_origin_host_and_target(url: str, origin: tuple[str, str, int], host: str, target: str) -> None:
    endpoint = Endpoint("POST", url)
    assert endpoint.origin == origin
    assert endpoint.url == url
    assert endpoint.head == f"POST {target} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n".encode()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/v1",
        "/v1",
        "ftp://example.com/",
        "http:///v1",
        "http://key@example.com/",
        "http://user:key@example.com/",
        "http://example.com/#part",
        "http://example.com/a b",
        "http://example.com/a\r\nx: y",
        "http://example.com/\0",
        "http://example.com/\xe9",
        "http://ex\xe4mple.com/",
        "http://exa$mple.com/",
        "http://a..b/",
        "http://" + "a" * 64 + ".com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:http/",
        "http://[::1/",
        "http://[nonsense]/",
    ],
)
def test_a_url_that_cannot_be_one_request_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="the URL") as refused:
        Endpoint("POST", url)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize("method", ["", "PO ST", "POST\r\n", "GET /\r\nx", "CONNECT"])
def test_a_method_that_cannot_be_sent_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        Endpoint(method, "http://example.com/")


@pytest.mark.parametrize(
    "value", ["a\r\nb: c", "a\rb", "a\nb", "a\0b", "a\x7fb", "\x1b[31m", " a", "a ", "\t", "日本", "\ud800"]
)
def test_a_header_value_that_would_not_stay_one_is_refused_without_being_quoted(value: str) -> None:
    with pytest.raises(ValueError, match="header") as refused:
        Endpoint("POST", "http://example.com/", [("x-key", value)])
    assert value.strip() == "" or value not in str(refused.value)


@pytest.mark.parametrize("value", ["", "a", "a b\tc", "Bearer sk-1_2.3~4+5/6=", "caf\xe9", "a\xa0b", "~!@#$%^&*()"])
def test_a_header_value_is_sent_as_it_is(value: str) -> None:
    assert encode_headers([("X-Key", value)]) == f"X-Key: {value}\r\n".encode("latin-1")


@pytest.mark.parametrize("name", ["", "x y", "x:", "x\r\n", "x\0", "\xe9", "x(", "日"])
def test_a_header_name_must_be_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="is not a header name"):
        Endpoint("POST", "http://example.com/", [(name, "1")])


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "connection", "Expect", "upgrade", "te", "Accept-Encoding"]
)
def test_what_frames_a_message_is_set_by_the_client_alone(name: str) -> None:
    with pytest.raises(ValueError, match="by the client itself"):
        Endpoint("POST", "http://example.com/", [(name, "1")])


def test_its_text_shows_neither_query_nor_header_values() -> None:
    endpoint = Endpoint("POST", "https://example.com/v1?key=secret", [("authorization", "Bearer secret")])
    assert repr(endpoint) == "Endpoint(POST https://example.com/v1)"
    assert endpoint.headers == (("authorization", "Bearer secret"),)
