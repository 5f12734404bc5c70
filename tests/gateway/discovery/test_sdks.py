"""The vendors' own clients list models: with the policy's key and no other, away from the event loop, and only then."""

import asyncio
import json
import sys
import threading
from typing import Any

import pytest

from sluice_gateway.credentials import Secret
from sluice_gateway.discovery import sdks
from sluice_gateway.discovery.answers import NoClient, Unlisted
from sluice_gateway.providers.provider import Access
from tests.support.gateway import HELLO, gateway, loaded, provider, route
from tests.support.upstream import Peer, Request, ScriptedUpstream, answer, json_answer, says, says_then_stalls, serve

SECRET = {"secretRef": {"name": "k", "key": "api-key"}}
CLAUDES = {
    "data": [
        {
            "type": "model",
            "id": "claude-haiku-4-5-20251001",
            "display_name": "Claude Haiku 4.5",
            "created_at": "2025-10-15T00:00:00Z",
            "lifecycle": "active",
            "max_input_tokens": 200000,
            "max_tokens": 64000,
        },
        {
            "type": "model",
            "id": "claude-2",
            "display_name": "Claude 2",
            "created_at": "2023-07-01T00:00:00Z",
            "lifecycle": "retired",
        },
    ],
    "has_more": False,
    "first_id": None,
    "last_id": None,
}
GPTS = {"object": "list", "data": [{"id": "gpt-5", "object": "model", "created": 1, "owned_by": "openai"}]}
GEMINIS = {
    "models": [
        {
            "name": "models/gemini-3.8-flash",
            "displayName": "Gemini 3.8 Flash",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
        }
    ]
}


def access(upstream: ScriptedUpstream, path: str = "", key: str | None = "sk-canary") -> Access:
    return Access(upstream.url + path, Secret(key) if key else None, (("x-team", "red"),))


async def test_openais_client_lists_with_the_key_and_the_headers() -> None:
    async with serve(says(json_answer(GPTS))) as upstream:
        offered = await sdks.ask("openai", access(upstream, "/v1"))
    [request] = upstream.requests
    assert [one.model.name for one in offered.models] == ["gpt-5"]
    assert (request.target, request.headers["authorization"]) == ("/v1/models", "Bearer sk-canary")
    assert request.headers["x-team"] == "red"


async def test_anthropics_client_lists_names_that_stand_for_dated_ones() -> None:
    async with serve(says(json_answer(CLAUDES))) as upstream:
        offered = await sdks.ask("anthropic", access(upstream))
    [request] = upstream.requests
    found = {one.model.name: one.model for one in offered.models}
    assert sorted(found) == [
        "claude-haiku-4-5",
        "claude-haiku-4-5-0",
        "claude-haiku-4-5-20251001",
        "claude-haiku-4-5-latest",
    ]
    assert found["claude-haiku-4-5"].max_output_tokens == 64000
    assert found["claude-haiku-4-5"].context_window == 200000
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer sk-canary", "red")


async def test_an_older_server_that_tells_less_is_understood() -> None:
    old = {"type": "model", "id": "claude-3-opus-20240229", "display_name": None, "created_at": "2024-02-29T00:00:00Z"}
    async with serve(says(json_answer({"data": [old], "has_more": False}))) as upstream:
        offered = await sdks.ask("anthropic", access(upstream))
    assert "claude-3-opus-latest" in {one.model.name for one in offered.models}
    assert offered.models[0].model.display_name is None


async def test_googles_client_lists_without_the_prefix() -> None:
    async with serve(says(json_answer(GEMINIS))) as upstream:
        offered = await sdks.ask("google", access(upstream))
    [request] = upstream.requests
    [one] = offered.models
    assert (one.model.name, one.model.display_name) == ("gemini-3.8-flash", "Gemini 3.8 Flash")
    assert (one.model.context_window, one.model.max_output_tokens) == (1048576, 65536)
    assert request.target.startswith("/v1beta/models?")
    assert request.headers["x-goog-api-key"] == "sk-canary"


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "google"])
async def test_without_a_key_none_of_the_environment_is_sent(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-of-somebody")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-of-somebody")
    async with serve(says(answer(401, b"{}"))) as upstream:
        with pytest.raises(Unlisted, match="status 401"):
            await sdks.ask(vendor, access(upstream, key=None))
    assert b"sk-of-somebody" not in b"".join(request.raw for request in upstream.requests)


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "google"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (json_answer({"error": {"message": "bad key sk-canary"}}, 401), "status 401"),
        (answer(503, b"<html>"), "status 503"),
    ],
)
async def test_a_refusal_is_told_by_its_status_alone(vendor: str, said: bytes, why: str) -> None:
    async with serve(says(said)) as upstream:
        with pytest.raises(Unlisted, match=why) as refused:
            await sdks.ask(vendor, access(upstream))
    assert "canary" not in str(refused.value)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "google"])
async def test_a_server_that_is_away_is_a_problem_and_no_defect(vendor: str) -> None:
    async with serve(says(b"")) as upstream:
        gone = access(upstream)
    with pytest.raises(Unlisted, match="the client failed with"):
        await sdks.ask(vendor, gone)


async def test_a_package_that_is_missing_is_named() -> None:
    nowhere = Access("http://127.0.0.1:9", None, ())
    for question in (sdks.ask("nobody", nowhere), sdks.greet("nobody", nowhere, 1.0)):
        with pytest.raises(NoClient, match=r"is missing: install sluice\[sdk\]"):
            await question


@pytest.mark.parametrize(
    ("vendor", "path", "asked"),
    [
        ("openai", "/v1", "/v1/models"),
        ("anthropic", "", "/v1/models?limit=1"),
        ("google", "", "/v1beta/models?pageSize=1"),
    ],
)
async def test_a_greeting_asks_for_the_least_that_there_is(vendor: str, path: str, asked: str) -> None:
    async with serve(says(json_answer({"object": "list", "data": [], "models": []}), answer(403, b"{}"))) as upstream:
        await sdks.greet(vendor, access(upstream, path), 5.0)
        with pytest.raises(Unlisted) as refused:
            await sdks.greet(vendor, access(upstream, path), 5.0)
    assert refused.value.status == 403
    assert [request.target for request in upstream.requests] == [asked, asked]
    assert b"sk-canary" in upstream.requests[0].raw


@pytest.mark.parametrize(("reason", "status"), [("API_KEY_INVALID", 401), ("OTHER", 400)])
async def test_google_calls_a_wrong_key_a_wrong_argument(reason: str, status: int) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    error = {"code": 400, "message": "API key sk-canary", "status": "INVALID_ARGUMENT", "details": details}
    async with serve(says(json_answer({"error": error}, 400))) as upstream:
        with pytest.raises(Unlisted) as refused:
            await sdks.greet("google", access(upstream), 5.0)
    assert refused.value.status == status
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "google"])
async def test_a_greeting_is_given_up_in_time(vendor: str) -> None:
    async with serve(says_then_stalls()) as upstream:
        with pytest.raises(Unlisted) as given_up:
            await sdks.greet(vendor, access(upstream), 0.05)
        await upstream.left()
    assert given_up.value.status is None


async def test_the_loop_goes_on_while_a_client_waits() -> None:
    asked = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        asked.set()
        await peer.stall()

    async with serve(script) as upstream:
        listing = asyncio.create_task(sdks.ask("openai", access(upstream)))
        await asked.wait()  # this loop serves the client's own request
        assert any(thread.name == "sluice-discovery" and thread.daemon for thread in threading.enumerate())
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing


def test_what_a_client_needs_shows_no_secret() -> None:
    shown = repr(Access("http://127.0.0.1:9", Secret("sk-canary"), (("x-token", "sk-canary"),)))
    assert "canary" not in shown


def clients_of(document: dict[str, Any]) -> list[str]:
    return [name for name in ("openai", "anthropic", "google.genai") if document[name]]


async def test_a_gateway_imports_no_client_until_it_lists() -> None:
    code = (
        "import json, sys, sluice_gateway.process\n"
        "print(json.dumps({name: name in sys.modules for name in ('openai', 'anthropic', 'google.genai')}))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert clients_of(json.loads(out)) == []


async def test_a_gateway_serves_what_anthropic_lists() -> None:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(json_answer(CLAUDES if request.method == "GET" else message))

    async with serve(script) as upstream:
        spec: dict[str, Any] = {
            "provider": "anthropic",
            "baseURL": upstream.url,
            "credentials": SECRET,
            "discovery": {"enabled": True},
        }
        text = provider("claude", **spec) + route("all", models=("claude-*",))
        async with gateway(loaded(text, keys={"k": "sk-canary"})) as sluice:
            await sluice.log_file.has('"event":"models listed"')
            response, body = await sluice.post(HELLO | {"model": "claude-haiku-4-5"})
            _, model = await sluice.get("/v1/models/claude-haiku-4-5")
    assert (response.status, body["choices"][0]["message"]["content"]) == (200, "Hi")
    assert (model["display_name"], model["context_window"], model["loaded"]) == ("Claude Haiku 4.5", 200000, None)
