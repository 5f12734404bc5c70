"""Behind a forward proxy: who goes through it, and what a proxy gets to see."""

import base64

import pytest

from sluice_gateway.upstream import ConnectFailed, Endpoint, SessionUpstream
from sluice_gateway.upstream.proxies import Proxies
from tests.support.exchanges import LIMIT, PATIENT
from tests.support.upstream import answer, head, says, says_then_ends, serve

ORIGIN = Endpoint("GET", "https://api.example.com/v1").origin


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://capital:1"}, "http://small:1"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"ALL_PROXY": "socks5://proxy", "HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "", "https_proxy": ""}, None),
    ],
)
def test_the_variable_for_the_scheme_decides(environ: dict[str, str], url: str | None) -> None:
    assert Proxies(environ).url(ORIGIN) == url
    assert bool(Proxies(environ)) == any("//" in value or ":" in value for value in environ.values())


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("*", "api.example.com", True),
        ("example.com", "api.example.com", True),
        (".example.com", "api.example.com", True),
        ("API.example.com", "api.example.com", True),
        ("api.example.com:443", "api.example.com", True),
        ("api.example.com:80", "api.example.com", False),
        ("ample.com", "api.example.com", False),
        ("other, .svc , x", "model.default.svc", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("fd00::/8", "[fd00::1]", True),
        ("", "api.example.com", False),
        (",,", "api.example.com", False),
    ],
)
def test_no_proxy_names_who_is_reached_directly(entry: str, host: str, direct: bool) -> None:
    proxies = Proxies({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": entry})
    assert (proxies.url(Endpoint("GET", f"https://{host}/").origin) is None) == direct


def test_a_proxy_that_is_not_http_cannot_be_used() -> None:
    with pytest.raises(ConnectFailed, match="HTTP proxies"):
        Proxies({"ALL_PROXY": "socks5://proxy"}).url(ORIGIN)


async def test_a_plain_request_goes_to_the_proxy_with_its_whole_url() -> None:
    async with serve(says(answer(200, b"proxied"))) as proxy:
        client = SessionUpstream({"HTTP_PROXY": proxy.url.replace("//", "//user:word@")})
        target = Endpoint("POST", "http://model.example.com:8000/v1/chat?a=b", [("x-a", "1")])
        reply = await client.send(target, b"{}", PATIENT)
        assert await reply.read(LIMIT) == b"proxied"
        await client.close()
        [request] = proxy.requests
    assert request.target == "http://model.example.com:8000/v1/chat?a=b"
    assert (request.headers["host"], request.headers["x-a"]) == ("model.example.com:8000", "1")
    assert base64.b64decode(request.headers["proxy-authorization"].removeprefix("Basic ")) == b"user:word"


async def test_a_tls_request_asks_the_proxy_for_a_tunnel_and_shows_it_no_header() -> None:
    async with serve(says_then_ends(head(407, [("content-length", "0")]))) as proxy:
        client = SessionUpstream({"HTTPS_PROXY": proxy.url})
        target = Endpoint("POST", "https://api.example.com/v1", [("authorization", "Bearer secret")])
        with pytest.raises(ConnectFailed, match="the proxy refused"):
            await client.send(target, b"{}", PATIENT)
        await client.close()
        [request] = proxy.requests
    assert (request.method, request.target) == ("CONNECT", "api.example.com:443")
    assert b"secret" not in request.raw


async def test_a_proxy_that_is_not_there_is_no_connection_and_is_not_named() -> None:
    async with serve(says()) as proxy:
        client = SessionUpstream({"HTTP_PROXY": proxy.url.replace("//", "//user:word@")})
    with pytest.raises(ConnectFailed) as failed:
        await client.send(Endpoint("GET", "http://model.example.com/"), b"", PATIENT)
    assert failed.value.reason == "connection failed"
    await client.close()
