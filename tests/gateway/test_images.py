"""Fetching images by URL: what is refused, and why nothing inside can be reached that way."""

import base64
import ipaddress

import pytest

from sluice_config.resources.provider_policy import ImageFetch
from sluice_gateway.images import CannotFetch, Images, is_public
from tests.support.upstream import Peer, Request, answer, head, says, serve

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 2000
SPEC = ImageFetch(enabled=True, max_bytes=4096, timeout_seconds=5)


def image(data: bytes = PNG, kind: str = "image/png", *more: tuple[str, str]) -> bytes:
    return answer(200, data, [("content-type", kind), *more])


async def fetched(url: str, spec: ImageFetch = SPEC, *, anywhere: bool = True) -> bytes:
    images = Images(lambda _: True) if anywhere else Images()
    try:
        source = (await images.fetch([url], spec))[url]
    finally:
        await images.close()
    assert source.media_type is not None
    assert source.data is not None
    return base64.b64decode(source.data)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_an_image_comes_with_its_bytes_and_kind() -> None:
    async with serve(says(image())) as server:
        assert await fetched(server.url + "/a.png") == PNG
    assert b"cookie" not in server.requests[0].body


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "127.1",
        "\uff11\uff12\uff17.0.0.1",  # full-width digits
        "127\u30020\u30020\u30021",  # ideographic full stops
        "\u2460\u2461\u2466.0.0.1",  # circled digits
    ],
)
async def test_nothing_inside_is_connected_to_by_address_or_by_name(host: str) -> None:
    async with serve(says(image())) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(CannotFetch, match="no public server answers"):
            await fetched(f"http://{host}:{port}/a.png", anywhere=False)
        assert server.requests == []


async def test_a_redirect_is_looked_at_like_the_first_url() -> None:
    def all_but_metadata(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return str(address) != "169.254.169.254"

    moved = answer(302, b"", [("location", "http://169.254.169.254/latest/meta-data/iam")])
    async with serve(says(moved)) as server:
        images = Images(all_but_metadata)
        with pytest.raises(CannotFetch, match="no public server answers"):
            await images.fetch([server.url + "/a.png"], SPEC)
        await images.close()


async def test_redirects_are_followed_a_few_times() -> None:
    async def script(peer: Peer, request: Request) -> None:
        number = len(server.requests)
        await peer.send(image() if number > 3 else answer(302, b"", [("location", f"/{number}.png")]))

    async with serve(script) as server:
        assert await fetched(server.url + "/a.png") == PNG
    async with serve(says(answer(302, b"", [("location", "/again")]))) as server:
        with pytest.raises(CannotFetch, match="redirects"):
            await fetched(server.url + "/a.png")
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (image(b"x" * 5000), "larger than 4096 bytes"),
        (image(PNG, "text/html"), "no image"),
        (image(PNG, "image/svg+xml"), "no image"),
        (image(PNG, "image/png", ("content-encoding", "gzip")), "no image"),
        (answer(404), "status 404"),
        (b"nonsense\r\n\r\n", "no public server"),
    ],
)
async def test_what_is_not_an_image_of_fit_size_is_refused(reply: bytes, why: str) -> None:
    async with serve(says(reply)) as server:
        with pytest.raises(CannotFetch, match=why):
            await fetched(server.url)


async def test_a_server_that_takes_too_long_is_left() -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(head(200, [("content-type", "image/png"), ("content-length", "9")]))
        await peer.until_closed()

    async with serve(script) as server:
        with pytest.raises(CannotFetch, match="within 1 s"):
            await fetched(server.url, ImageFetch(enabled=True, timeout_seconds=1))


@pytest.mark.parametrize(
    "url", ["ftp://example.com/a.png", "http://", "http://a@example.com/", "file:///etc/passwd", "//x"]
)
async def test_urls_of_other_kinds_are_refused(url: str) -> None:
    with pytest.raises(CannotFetch, match="URL"):
        await fetched(url, anywhere=False)


async def test_a_request_names_only_so_many() -> None:
    with pytest.raises(CannotFetch, match="at most 20"):
        await Images().fetch([f"http://example.com/{number}.png" for number in range(21)], SPEC)
