"""The client of the API server: what it asks, what it understands, and that nothing else gets in or out."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.settings import InvalidSetting
from sluice_gateway.sources.api_server import Access, ApiError, ApiServer, Change, Expired, Forbidden, NotThere, Plural
from tests.support.canary import CANARY
from tests.support.fake_api import WATCHING, FakeApi, event, fake_api, refuses, watch_of
from tests.support.upstream import (
    Script,
    answer,
    head,
    json_answer,
    says,
    says_then_cuts,
    says_then_ends,
    says_then_stalls,
)

MAP = {"metadata": {"name": "a", "annotations": {"note": "x"}}, "data": {"k": "v"}, "binaryData": {"b": "AAE="}}
SECRET = {"metadata": {"name": "s"}, "data": {"key": base64.b64encode(CANARY.encode()).decode()}}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as running:
        yield running


def client(api: FakeApi, **options: float) -> ApiServer:
    return ApiServer(Access(api.url), "default", **options)


async def changes(api: FakeApi, plural: Plural = "configmaps", name: str = "a") -> list[Change | None]:
    async with client(api) as server:
        async with aclosing(server.watch(plural, name, "100", 60)) as watch:
            return [change async for change in watch]


async def test_an_object_as_it_is_stored(api: FakeApi) -> None:
    api.put("configmaps", MAP)
    api.put("secrets", SECRET)
    async with client(api) as server:
        stored, version = await server.find("configmaps", "a")
        assert stored == await server.get("configmaps", "a", version)
        secret, _ = await server.find("secrets", "s")
    assert stored is not None
    assert secret is not None
    assert (stored.version, stored.annotations, stored.data) == ("101", {"note": "x"}, {"k": b"v", "b": b"\0\1"})
    assert (secret.data["key"].decode(), version) == (CANARY, "102")
    assert CANARY not in repr(secret)


async def test_an_object_that_is_not_there(api: FakeApi) -> None:
    async with client(api) as server:
        assert await server.find("configmaps", "a") == (None, "100")
        with pytest.raises(NotThere):
            await server.get("configmaps", "a", "100")


async def test_a_watch_tells_each_change(api: FakeApi) -> None:
    api.put("configmaps", MAP)
    async with client(api) as server:
        _, version = await server.find("configmaps", "a")
        async with aclosing(server.watch("configmaps", "a", version, 60)) as watch:
            assert await anext(watch) is None
            await api.watched(1)
            api.put("configmaps", MAP | {"data": {"k": "w"}})
            api.delete("configmaps", "a")
            changed, gone = await anext(watch), await anext(watch)
    assert changed is not None
    assert changed.stored is not None
    assert changed.stored.data["k"] == b"w"
    assert gone == Change(None)


async def test_bookmarks_blank_lines_and_halves(api: FakeApi) -> None:
    line = event("MODIFIED", MAP)
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "120"}})
    api.once("watch", watch_of(line[:30], line[30:] + b"\n" + bookmark[:-1], b"\n", line[:50]))
    first, second, third = await changes(api)
    assert (first, third) == (None, Change(bookmark=True))
    assert second is not None
    assert second.stored is not None
    assert second.stored.data["k"] == b"v"


@given(
    lines=st.lists(st.sampled_from(["a", "bb", "é", ""]), max_size=6), cuts=st.lists(st.integers(0, 600), max_size=8)
)
def test_however_a_watch_is_cut_into_pieces_it_says_the_same(lines: list[str], cuts: list[int]) -> None:
    whole = b"".join(event("MODIFIED", MAP | {"data": {"k": text}}) if text else b"\n" for text in lines)
    places = sorted({0, len(whole), *(place % (len(whole) + 1) for place in cuts)})
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]

    async def said() -> list[bytes]:
        async with fake_api() as api:
            api.once("watch", watch_of(*pieces))
            return [change.stored.data["k"] for change in await changes(api) if change and change.stored]

    assert asyncio.run(said()) == [text.encode() for text in lines if text]


async def test_a_large_object_comes_through(api: FakeApi) -> None:
    line = event("ADDED", MAP | {"data": {"k": "x" * 1_500_000}})
    api.once("watch", watch_of(*(line[start : start + 50_000] for start in range(0, len(line), 50_000))))
    _, change = await changes(api)
    assert change is not None
    assert change.stored is not None
    assert len(change.stored.data["k"]) == 1_500_000


async def test_an_end_in_good_order_is_no_error_and_a_cut_is_one(api: FakeApi) -> None:
    api.once("watch", watch_of(), says_then_cuts(WATCHING), says_then_ends(WATCHING + b"5\r\nab"))
    assert await changes(api) == [None]
    for _ in range(2):
        with pytest.raises(ApiError, match="broke off"):
            await changes(api)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, Forbidden), (404, NotThere), (410, Expired), (401, ApiError), (429, ApiError)]
)
async def test_a_refusal_has_its_kind_in_an_answer_and_in_a_watch(
    api: FakeApi, status: int, kind: type[ApiError]
) -> None:
    api.once("watch", refuses(status), watch_of(event("ERROR", {"code": status, "message": "why \x07not"})))
    for _ in range(2):
        with pytest.raises(ApiError, match=f"it answered {status}") as caught:
            await changes(api)
        assert type(caught.value) is kind
    assert str(caught.value) == f"it answered {status}: why not"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("²", 0), ("-1", 0)])
async def test_retry_after(api: FakeApi, header: str, seconds: float) -> None:
    api.once("list", refuses(429, headers=[("retry-after", header.encode().decode("latin-1"))]))
    async with client(api) as server:
        with pytest.raises(ApiError) as caught:
            await server.find("configmaps", "a")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "script",
    [
        says(answer(200, b"<html>hello</html>")),
        says(answer(200, b"\xff\xfe")),
        says(json_answer({"items": "none"})),
        says(json_answer([])),
        says(json_answer({}, 500)),
        says(answer(502, b"<html>bad gateway</html>")),
        says(head(302, [("location", "http://127.0.0.1:1/"), ("content-length", "0")])),
        says_then_ends(b"HTTP/9 what\r\n\r\n"),
        says_then_ends(head(200, [("content-length", "1000")]) + b'{"items": ['),
        says_then_cuts(head(200, [("content-length", "1000")])),
        says_then_stalls(),
        says_then_stalls(head(200, [("content-length", "1000")])),
        says(answer(200, b" " * (4 * 1024 * 1024 + 1))),
    ],
)
async def test_whatever_is_answered_only_an_api_error_gets_out(api: FakeApi, script: Script) -> None:
    api.once("list", script)
    async with client(api, answer_seconds=0.3) as server:
        with pytest.raises(ApiError):
            await server.find("configmaps", "a")
        assert await server.find("configmaps", "a") == (None, "100")


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"{}\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": []}\n',
        b'{"type": "GROWN", "object": {"metadata": {}}}\n',
        b'{"type": "ERROR", "object": 7}\n',
        b"\xff\n",
        b"x" * (4 * 1024 * 1024 + 1),
    ],
)
async def test_garbage_in_a_watch(api: FakeApi, line: bytes) -> None:
    api.once("watch", watch_of(line))
    with pytest.raises(ApiError):
        await changes(api)


async def test_a_watch_that_says_nothing_is_given_up(api: FakeApi) -> None:
    async with client(api, silence_seconds=0.2) as server:
        with pytest.raises(ApiError, match="in time"):
            async with asyncio.timeout(5):
                async for _ in server.watch("configmaps", "a", "100", 60):
                    await api.watched(1)


async def test_a_server_that_is_not_there() -> None:
    async with ApiServer(Access("http://127.0.0.1:1"), "default") as server:
        with pytest.raises(ApiError, match="can't be reached"):
            await server.find("configmaps", "a")


async def test_no_secret_in_an_error(api: FakeApi) -> None:
    encoded = SECRET["data"]["key"]
    broken = [{"data": {"key": f"{encoded}!"}}, {"metadata": {}, "data": {"key": f"{CANARY}!"}}]
    api.once("watch", *(watch_of(event("ADDED", document)) for document in broken))
    for _ in broken:
        with pytest.raises(ApiError) as caught:
            await changes(api, "secrets", "s")
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert CANARY not in str(caught.value)
        assert encoded not in str(caught.value)


async def test_the_token_is_read_anew_and_goes_nowhere_else(api: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    access = Access(api.url, token)
    async with ApiServer(access, "default") as server:
        with pytest.raises(ApiError, match="token can't be read"):
            await server.find("configmaps", "a")
        for text in ("one\n", "two"):
            token.write_text(text)
            await server.find("configmaps", "a")
        for bad in ("a\nb", "größe", "\0"):
            token.write_text(bad)
            with pytest.raises(ApiError, match="holds no token"):
                await server.find("configmaps", "a")
    assert [asked.token for asked in api.asked] == ["one", "two"]


@pytest.mark.parametrize("content", ["", "garbage", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
async def test_who_vouches_must_be_known(tmp_path: Path, content: str) -> None:
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text(content)
    async with ApiServer(Access("https://127.0.0.1:1", ca_file=ca_file), "default") as server:
        with pytest.raises(ApiError, match="holds no certificates"):
            await server.find("configmaps", "a")


def test_access_in_a_pod_and_outside_of_one() -> None:
    in_pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    assert Access.read(in_pod) == Access("https://10.0.0.1:6443", account / "token", account / "ca.crt")
    assert Access.read({"KUBERNETES_SERVICE_HOST": "fd00::1"}).url == "https://[fd00::1]:443"
    assert Access.read(in_pod, url="https://api:1/") == Access("https://api:1")
    for wrong in ("api:6443", "ftp://api"):
        with pytest.raises(InvalidSetting, match="--kube-api"):
            Access.read({}, url=wrong)
    with pytest.raises(InvalidSetting, match="KUBERNETES_SERVICE_HOST"):
        Access.read({})
