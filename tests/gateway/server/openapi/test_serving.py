"""/openapi.json and /docs on each listener: whole, kept by caches, and safe to open in a browser."""

import asyncio
import re
from html import escape
from html.parser import HTMLParser

import pytest

from sluice_gateway.server.app import ENDPOINTS
from sluice_gateway.server.openapi import faults
from sluice_gateway.server.openapi.document import OPERATIONS
from sluice_gateway.server.openapi.page import SDK, page
from sluice_gateway.server.openapi.serving import Description
from sluice_gateway.settings import Address
from tests.support.gateway import gateway, provider, route
from tests.support.upstream import json_answer, says, serve

MOCK = provider("mock") + route("chat", "mock")
INTERNAL = {
    *("/metrics", "/internal/config", "/internal/report"),
    *("/admin/providers", "/admin/limits", "/admin/explain", "/admin/breakers"),
    *("/admin/breakers/open", "/admin/breakers/close", "/admin/breakers/reset"),
}
OF_BOTH = {"/health", "/ready", "/openapi.json", "/docs"}


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        found = dict(attrs)
        self.links += [str(found[name]) for name in ("href", "src") if name in found]
        self.ids |= {str(found["id"])} if "id" in found else set()
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_one_listener_describes_all_that_it_answers() -> None:
    async with gateway(MOCK) as sluice:
        response, document = await sluice.get("/openapi.json")
    assert document["openapi"].startswith("3.1.")
    assert document["paths"].keys() == OPERATIONS.keys()
    assert response.headers["content-type"] == "application/json"


async def test_each_of_two_listeners_describes_its_own_paths() -> None:
    async with gateway(MOCK, internal_listen=Address("127.0.0.1", 0)) as sluice:
        _, outside = await sluice.get("/openapi.json")
        _, inside = await sluice.get_internal("/openapi.json")
    assert set(outside["paths"]) == {*ENDPOINTS, "/v1/models", "/v1/models/{id}", *OF_BOTH}
    assert set(inside["paths"]) == INTERNAL | OF_BOTH


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_who_has_it_need_not_load_it_again(path: str) -> None:
    async with gateway(MOCK) as sluice:
        async with sluice.session.get(sluice.url + path) as response:
            tag, body = response.headers["etag"], await response.read()
            assert response.headers["cache-control"] == "public, max-age=300"
        async with sluice.session.get(sluice.url + path, headers={"if-none-match": tag}) as response:
            assert (response.status, await response.read(), response.headers["etag"]) == (304, b"", tag)
        async with sluice.session.get(sluice.url + path) as response:
            assert await response.read() == body


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_it_can_only_be_read(path: str) -> None:
    async with gateway(MOCK) as sluice:
        response, body = await sluice.post({}, path)
        assert (response.status, body["error"]["code"]) == (405, "method_not_allowed")
        async with sluice.session.head(sluice.url + path) as head:
            assert (head.status, await head.read()) == (200, b"")


async def test_the_page_may_load_and_run_nothing() -> None:
    async with gateway(MOCK) as sluice, sluice.session.get(sluice.url + "/docs") as response:
        text, policy = await response.text(), response.headers["content-security-policy"]
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["x-content-type-options"] == "nosniff"
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    tags = Tags(text)
    assert not tags.seen & {"script", "img", "link", "iframe", "form"}
    assert not re.search(r"\son\w+=|\sstyle=|url\(|@import", text)
    assert tags.open == []


def test_the_page_has_every_operation_and_every_error() -> None:
    text = page(OPERATIONS)
    tags = Tags(text)
    assert {f"#{one.name}" for one in OPERATIONS.values()} <= set(tags.links)
    assert {link.removeprefix("#") for link in tags.links if link.startswith("#")} <= tags.ids
    assert [row.code for row in faults.rows() if f"<code>{row.status}</code></td><td>{row.code}</td>" not in text] == []
    assert len(text) < 64 * 1024


def test_the_page_shows_fields_with_their_types() -> None:
    text = page(["/v1/embeddings"])
    assert "<td><code>dimensions</code></td><td>integer</td>" in text
    assert "<td><code>encoding_format</code></td><td>float | base64</td>" in text
    assert "<td><code>input</code></td><td>string or list of string or list of integer" in text
    assert "/v1/messages" not in text


def test_the_page_shows_what_objects_are_made_of() -> None:
    text = page(OPERATIONS)
    for name in ("ChatMessage", "ChatPart", "Tool", "ToolCall", "ChatUsage", "ResponseItem", "ContentBlock", "Error"):
        assert f"<summary>{name}</summary>" in text
    assert "<summary>ChatRequest</summary>" not in text  # it stands where it is sent
    assert "ChatMessage" not in page(["/v1/messages"])


async def test_the_examples_work() -> None:
    vectors = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [1.5]}]}
    async with serve(says(json_answer(vectors))) as upstream:
        embedder = provider("up", upstream.url) + route("embedder", "up/m", models=("embedder",))
        async with gateway(MOCK + embedder) as sluice:
            for path in ENDPOINTS:
                response, body = await sluice.post(OPERATIONS[path].example, path)
                assert response.status == 200, body


async def test_the_program_for_openais_sdk_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert escape(SDK) in page(OPERATIONS)
    async with gateway(MOCK) as sluice:
        program = SDK.replace("http://localhost:8080", sluice.url)
        assert program != SDK
        await asyncio.to_thread(exec, program, {})
    assert capsys.readouterr().out.strip()


def test_a_path_of_which_nothing_is_said_is_named() -> None:
    with pytest.raises(ValueError, match="nothing is said in server/openapi of /v1/new"):
        Description(["/health", "/v1/new"])
