"""A gateway before Anthropic: where requests go, which headers they have, and what comes back."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway import HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    Script,
    ScriptedUpstream,
    answer,
    chunk,
    event_stream,
    json_answer,
    says,
    serve,
    stream_head,
)

FOLDER = Path(__file__).resolve().parents[3] / "golden" / "providers" / "anthropic"
KEY = "sk-ant-of-the-gateway"
SECRET = {"secretRef": {"name": "claude", "key": "api-key"}}
ANSWER = (FOLDER / "response-text.in.json").read_bytes()
STREAM = (FOLDER / "stream-text.in.sse").read_bytes()
MESSAGES = "/v1/messages"
JSON = {"content-type": "application/json"}
NATIVE = b'{"model": "chat", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}], "of_tomorrow": 1.10}'
STREAMED = NATIVE.replace(b'"max_tokens"', b'"stream": true, "max_tokens"')


@contextlib.asynccontextmanager
async def before(said: bytes | Script, more: str = "") -> AsyncIterator[tuple[RunningGateway, ScriptedUpstream]]:
    """A gateway before a server that speaks like Anthropic and says the same to everyone."""
    async with serve(says(said) if isinstance(said, bytes) else said) as upstream:
        targets = ("up/claude-haiku-4-5", "spare/m") if more else ("up/claude-haiku-4-5",)
        policy = provider("up", provider="anthropic", baseURL=upstream.url, credentials=SECRET)
        text = policy + more + route("chat", *targets)
        async with gateway(loaded(text, keys={"claude": KEY})) as sluice:
            yield sluice, upstream


async def post(sluice: RunningGateway, path: str, body: bytes) -> tuple[int, bytes]:
    """Send a body as it is."""
    async with sluice.session.post(sluice.url + path, data=body, headers=JSON) as response:
        return response.status, await response.read()


async def test_a_request_has_anthropics_headers_and_the_gateways_key_alone() -> None:
    async with before(answer(200, ANSWER)) as (sluice, upstream):
        response, body = await sluice.post(
            headers={"authorization": "Bearer of-the-caller", "x-api-key": "of-the-caller"}
        )
    assert response.status == 200
    assert body["choices"][0]["message"]["content"] == "Hello!"
    request = upstream.requests[0]
    assert request.target == MESSAGES
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers
    assert b"of-the-caller" not in request.raw
    sent = request.json()
    assert (sent.pop("max_tokens") > 0, sent) == (True, {"model": "claude-haiku-4-5", "messages": HELLO["messages"]})


async def test_a_chat_stream_comes_from_anthropics_events() -> None:
    async with before(event_stream([STREAM])) as (sluice, _):
        body = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
        async with sluice.session.post(sluice.url + "/v1/chat/completions", json=body) as response:
            text = (await response.read()).decode()
        lines = await sluice.logged()
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert text.endswith("data: [DONE]\n\n")
    assert "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]) == "Hello!"
    assert chunks[-1]["usage"]["total_tokens"] == 40
    assert lines[0]["status"] == 200


async def test_messages_are_relayed_byte_for_byte_but_for_the_name_of_the_model() -> None:
    async with before(answer(200, ANSWER)) as (sluice, upstream):
        status, body = await post(sluice, MESSAGES, NATIVE)
    assert (status, body) == (200, ANSWER)
    assert upstream.requests[0].body == NATIVE.replace(b'"chat"', b'"claude-haiku-4-5"')
    assert upstream.requests[0].target == MESSAGES


async def test_a_stream_of_messages_is_relayed_byte_for_byte() -> None:
    async with before(event_stream([STREAM])) as (sluice, _):
        assert await post(sluice, MESSAGES, STREAMED) == (200, STREAM)


async def test_a_stream_that_turns_into_an_error_ends_with_it_in_anthropics_shape() -> None:
    first, last = (FOLDER / "stream-overloaded.in.sse").read_bytes().split(b"event: error")
    reads = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(first))
        await reads.wait()
        await peer.send(chunk(b"event: error" + last), LAST_CHUNK)

    async with before(script) as (sluice, _):
        async with sluice.session.post(sluice.url + MESSAGES, data=STREAMED, headers=JSON) as response:
            assert await response.content.readexactly(len(first)) == first
            reads.set()
            rest = (await response.read()).decode()
    name, data = rest.strip().split("\n")
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))
    assert error["type"] == "error"
    assert "Overloaded (request req_1)" in error["error"]["message"]


async def test_tokens_are_counted_by_anthropic() -> None:
    async with before(json_answer({"input_tokens": 2095})) as (sluice, upstream):
        status, body = await post(sluice, f"{MESSAGES}/count_tokens", NATIVE)
    assert (status, json.loads(body)) == (200, {"input_tokens": 2095})
    assert upstream.requests[0].target == f"{MESSAGES}/count_tokens"


@pytest.mark.parametrize("rule", ["overloaded", "credit-exhausted", "spend-limit-of-ones-own", "key-refused", "html"])
async def test_what_is_not_the_callers_making_moves_on(rule: str) -> None:
    case = json.loads((FOLDER / f"error-{rule}.in.json").read_text(encoding="utf-8"))
    async with before(answer(case["status"], case["body"].encode()), provider("spare")) as (sluice, _):
        response, _ = await sluice.post()
    assert response.status == 200
    assert response.headers["x-sluice-target"] == "spare/m"


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [("prompt-too-long", 400, "context_length_exceeded"), ("request-too-large", 413, "request_too_large")],
)
async def test_the_callers_own_mistake_comes_back_at_once(rule: str, status: int, code: str) -> None:
    case = json.loads((FOLDER / f"error-{rule}.in.json").read_text(encoding="utf-8"))
    async with before(answer(case["status"], case["body"].encode()), provider("spare")) as (sluice, upstream):
        response, body = await sluice.post()
    assert (response.status, body["error"]["code"]) == (status, code)
    assert len(upstream.requests) == 1
