"""How each kind of provider is asked, on loopback, and what its answers are taken for."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sluice_gateway.health.history import Outcome, Result
from sluice_gateway.health.questions import MOST_BYTES, ask
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import build_table
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import loaded, provider, route
from tests.support.upstream import (
    Script,
    ScriptedUpstream,
    answer,
    json_answer,
    says,
    says_then_cuts,
    says_then_ends,
    serve,
)

GOOD = Outcome(Result.GOOD)
REJECTED = Outcome(Result.REJECTED, "the provider refused the gateway's key")
SECRET = {"secretRef": {"name": "k", "key": "api-key"}}
CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "p"}, "finish_reason": "length"}]}


@contextlib.asynccontextmanager
async def reached(
    script: Script, vendor: str = "openai-compatible", path: str = "/v1", key: str = "sk-canary", **spec: Any
) -> AsyncIterator[tuple[Provider, ScriptedUpstream]]:
    """A provider that the script answers for, with a key."""
    async with serve(script) as upstream:
        text = provider("p", "", provider=vendor, baseURL=upstream.url + path, credentials=SECRET, **spec) + route(
            "r", "p/m"
        )
        event, http = loaded(text, keys={"k": key}), LeanUpstream()
        [made] = build_table(event.snapshot, event.digest, event.credentials, http).providers
        try:
            yield made, upstream
        finally:
            await http.close()


@pytest.fixture
def without_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image without the vendors' packages: to import one of them fails."""
    for name in ("openai", "anthropic", "google.genai"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("openai", "anthropic", "google"):
        monkeypatch.delitem(sys.modules, f"sluice_gateway.discovery.sdks.{name}", raising=False)


@pytest.mark.parametrize(
    ("vendor", "path", "asked", "header"),
    [
        ("openai-compatible", "/v1", "/v1/models", "authorization"),
        ("groq", "/openai/v1", "/openai/v1/models", "authorization"),
        ("deepseek", "", "/models", "authorization"),
        ("huggingface", "/v1", "/v1/models", "authorization"),
        ("cohere", "", "/v1/models?page_size=1", "authorization"),
        ("ollama", "/v1", "/api/version", "authorization"),
        ("vllm", "/v1", "/health", "authorization"),
        ("llamacpp", "/v1", "/health", "authorization"),
        ("azure", "/base", "/base", "api-key"),
    ],
)
async def test_each_kind_is_asked_what_it_answers_most_cheaply(vendor: str, path: str, asked: str, header: str) -> None:
    async with reached(says(json_answer({})), vendor, path) as (made, upstream):
        assert await ask(made) == GOOD
    [request] = upstream.requests
    assert (request.method, request.target) == ("GET", asked)
    assert request.headers[header].endswith("sk-canary")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (json_answer({"object": "list", "data": []}), GOOD),
        (answer(404, b"{}"), GOOD),
        (json_answer({"error": {"message": "sk-canary"}}, 401), REJECTED),
        (json_answer({"error": {"message": "sk-canary"}}, 403), REJECTED),
        (answer(503), Outcome(Result.FAILED, "the provider answered with status 503")),
        (b"", Outcome(Result.FAILED, "the client failed with APIConnectionError")),
    ],
)
async def test_a_vendor_is_asked_through_its_client(said: bytes, outcome: Outcome) -> None:
    async with reached(says_then_ends(said), "openai") as (made, upstream):
        assert await ask(made) == outcome
    [request] = upstream.requests
    assert request.target == "/v1/models"
    assert request.headers["user-agent"].startswith("OpenAI/")


@pytest.mark.parametrize(
    ("vendor", "path", "asked"),
    [
        ("openai", "/v1", "/v1/models"),
        ("anthropic", "", "/v1/models?limit=1"),
        ("google", "", "/v1beta/models?pageSize=1"),
    ],
)
async def test_without_its_client_a_vendor_is_asked_the_same(
    vendor: str, path: str, asked: str, without_clients: None
) -> None:
    async with reached(says(json_answer({}), json_answer({}, 401), answer(500)), vendor, path) as (made, upstream):
        assert [(await ask(made)).result for _ in range(3)] == [Result.GOOD, Result.REJECTED, Result.FAILED]
    assert [request.target for request in upstream.requests] == [asked] * 3
    assert {request.headers["user-agent"] for request in upstream.requests} == {"sluice"}


async def test_googles_word_for_a_wrong_key_is_understood(without_clients: None) -> None:
    wrong = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}
    other = wrong | {"message": "no"}
    script = says(json_answer({"error": wrong}, 400), json_answer({"error": other}, 400))
    async with reached(script, "google", "") as (made, _):
        assert [await ask(made), await ask(made)] == [REJECTED, GOOD]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (answer(200, b"<html>"), GOOD),
        (answer(302), GOOD),
        (answer(400), GOOD),
        (answer(401), REJECTED),
        (answer(403), REJECTED),
        (answer(404), GOOD),
        (answer(429), GOOD),
        (answer(499), GOOD),
        (answer(500), Outcome(Result.FAILED, "the provider answered with status 500")),
        (answer(503), Outcome(Result.FAILED, "the provider answered with status 503")),
        (answer(200, b" " * (MOST_BYTES + 1)), GOOD),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Outcome(Result.FAILED, "the answer is not valid HTTP")),
    ],
)
async def test_whoever_answers_is_there(said: bytes, outcome: Outcome) -> None:
    async with reached(says(said)) as (made, _):
        assert await ask(made) == outcome


async def test_who_hangs_up_or_is_not_there_fails() -> None:
    async with reached(says_then_cuts(b"")) as (made, _):
        assert await ask(made) == Outcome(Result.FAILED, "the connection was lost")
    assert await ask(made) == Outcome(Result.FAILED, "the client is closed")


@pytest.mark.parametrize(
    ("vendor", "path", "asked", "body"),
    [
        ("openai-compatible", "/v1", "/v1/chat/completions", {"model": "m", "max_tokens": 1}),
        ("openai", "/v1", "/v1/chat/completions", {"model": "m", "max_completion_tokens": 1}),
        ("azure", "", "/openai/v1/chat/completions", {"model": "m", "max_completion_tokens": 1}),
    ],
)
async def test_a_model_is_asked_for_one_token(vendor: str, path: str, asked: str, body: dict[str, Any]) -> None:
    async with reached(says(json_answer(CHAT)), vendor, path, healthCheck={"model": "m"}) as (made, upstream):
        assert await ask(made) == GOOD
    [request] = upstream.requests
    assert (request.method, request.target) == ("POST", asked)
    assert request.json() == body | {"messages": [{"role": "user", "content": "ping"}]}


@pytest.mark.parametrize(
    ("vendor", "said"),
    [
        ("anthropic", {"type": "message", "role": "assistant", "content": [], "stop_reason": "max_tokens"}),
        ("google", {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]}),
        ("cohere", {"message": {"role": "assistant", "content": []}, "finish_reason": "MAX_TOKENS"}),
    ],
)
async def test_an_answer_that_was_cut_before_its_first_word_is_one(vendor: str, said: dict[str, Any]) -> None:
    async with reached(says(json_answer(said)), vendor, "", healthCheck={"model": "m"}) as (made, _):
        assert await ask(made) == GOOD


def refusal(status: int, message: str, **error: str) -> bytes:
    return json_answer({"error": {"message": message, **error}}, status)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (refusal(400, "max_tokens is too small"), GOOD),
        (refusal(429, "slow down"), GOOD),
        (refusal(401, "no such key sk-canary"), REJECTED),
        (refusal(402, "pay"), Outcome(Result.FAILED, "status 402: pay")),
        (refusal(404, "gone", code="model_not_found"), Outcome(Result.FAILED, "status 404: gone")),
        (refusal(500, "oops"), Outcome(Result.FAILED, "status 500: oops")),
        (json_answer({"error": {"message": "inside", "code": 503}}), Outcome(Result.FAILED, "status 503: inside")),
        (answer(200, b"<html>"), Outcome(Result.FAILED, "the provider sent something that is not JSON")),
    ],
)
async def test_what_a_model_answers_is_read(said: bytes, outcome: Outcome) -> None:
    async with reached(says(said), healthCheck={"model": "m"}) as (made, _):
        found = await ask(made)
    assert found == outcome


async def test_a_model_that_is_not_reached_fails() -> None:
    async with reached(says_then_cuts(b""), healthCheck={"model": "m"}) as (made, _):
        assert (await ask(made)).result is Result.FAILED


async def test_a_name_that_no_path_can_have_is_said() -> None:
    async with reached(says(answer()), "google", "", healthCheck={"model": ".."}) as (made, upstream):
        assert await ask(made) == Outcome(Result.FAILED, "'..' is not the name of a model")
    assert json.dumps([request.target for request in upstream.requests]) == "[]"
