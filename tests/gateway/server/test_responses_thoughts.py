"""Thoughts of providers, and what seals them, through callers of /v1/responses and back unharmed."""

import json
from typing import Any

import openai
import pytest

from tests.support.gateway import gateway, provider, route
from tests.support.responses_events import fold
from tests.support.upstream import Script, event_stream, json_answer, says, serve

PATH = "/v1/responses"
TOOLS = [{"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": False}]
ASKED: dict[str, Any] = {"model": "chat", "tools": TOOLS, "reasoning": {"effort": "high"}, "prompt_cache_key": "k"}

THINKING = {"type": "thinking", "thinking": "I need the time.", "signature": "EqRk.Lm+/="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgB"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [THINKING, REDACTED, CALL],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "output_tokens": 7},
}
GEMINI = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "I need the time.", "thought": True},
                    {"functionCall": {"name": "now", "args": {}}, "thoughtSignature": "CpYB.x+/="},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 5, "totalTokenCount": 12},
    "modelVersion": "gemini",
    "responseId": "r1",
}


def events(*documents: dict[str, Any]) -> bytes:
    return event_stream(map(event, documents))


def event(document: dict[str, Any]) -> bytes:
    name = f"event: {document['type']}\n" if "type" in document else ""
    return f"{name}data: {json.dumps(document)}\n\n".encode()


def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begin},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


CLAUDE_STREAM = events(
    {"type": "message_start", "message": CLAUDE | {"content": [], "stop_reason": None}},
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "I need "},
        {"type": "thinking_delta", "thinking": "the time."},
        {"type": "signature_delta", "signature": THINKING["signature"]},
    ),
    *block(1, REDACTED),
    *block(2, CALL, {"type": "input_json_delta", "partial_json": ""}),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 5, "output_tokens": 7}},
    {"type": "message_stop"},
)


async def second_request(vendor: str, script: Script, *, stream: bool) -> tuple[list[dict[str, Any]], Any]:
    """The output of a first turn, and what the provider gets when all of it comes back with the tool's result."""
    async with serve(script) as upstream:
        policy = provider("up", upstream.url, provider=vendor, baseURL=upstream.url)
        async with gateway(policy + route("chat", "up/m-1")) as sluice:
            question = {"role": "user", "content": "What time is it?"}
            body = ASKED | {"input": [question], "stream": stream}
            async with sluice.session.post(sluice.url + PATH, json=body) as response:
                received = await response.read()
                assert response.status == 200, received
            output: list[dict[str, Any]] = (fold(received) if stream else json.loads(received))["output"]
            call_id = output[-1]["call_id"]
            result = {"type": "function_call_output", "call_id": call_id, "output": "noon"}
            await sluice.post(ASKED | {"input": [question, *output, result]}, PATH)
    return output, upstream.requests[1].json()


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_goes_back_to_anthropic_as_it_came(*, stream: bool) -> None:
    first = CLAUDE_STREAM if stream else json_answer(CLAUDE)
    output, sent = await second_request("anthropic", says(first, json_answer(CLAUDE)), stream=stream)
    assert [item["type"] for item in output] == ["reasoning", "reasoning", "function_call"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "I need the time."}]
    assert sent["messages"][1] == {"role": "assistant", "content": [THINKING, REDACTED, CALL]}
    assert sent["messages"][2]["content"][0]["tool_use_id"] == "toolu_1"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_signature_of_a_call_goes_back_to_google_with_it(*, stream: bool) -> None:
    first = events(GEMINI) if stream else json_answer(GEMINI)
    output, sent = await second_request("google", says(first, json_answer(GEMINI)), stream=stream)
    assert [item["type"] for item in output] == ["reasoning", "reasoning", "function_call"]
    [said] = [content for content in sent["contents"] if content["role"] == "model"]
    [call] = [part for part in said["parts"] if "functionCall" in part]
    assert call["thoughtSignature"] == "CpYB.x+/="


async def test_the_sdk_carries_seals_in_its_own_types() -> None:
    answers = says(json_answer(CLAUDE))
    async with serve(answers) as upstream:
        policy = provider("up", upstream.url, provider="anthropic", baseURL=upstream.url)
        async with gateway(policy + route("chat", "up/m-1")) as sluice:
            async with openai.AsyncOpenAI(
                base_url=f"{sluice.url}/v1", api_key="x", _strict_response_validation=True, max_retries=0
            ) as client:
                first = await client.responses.create(model="chat", input="What time is it?")
                history: list[Any] = [{"role": "user", "content": "What time is it?"}, *first.output]
                history.append({"type": "function_call_output", "call_id": "toolu_1", "output": "noon"})
                await client.responses.create(model="chat", input=history)
    assert upstream.requests[1].json()["messages"][1]["content"][:2] == [THINKING, REDACTED]


async def test_a_conversation_may_move_to_a_provider_that_speaks_this_shape_itself() -> None:
    async with serve(says(json_answer(CLAUDE), json_answer({}))) as upstream:
        claude = provider("claude", upstream.url, provider="anthropic", baseURL=upstream.url)
        native = provider("native", provider="openai", baseURL=f"{upstream.url}/v1")
        routes = route("chat", "claude/m-1") + route("other", "native/m-2", models=("other",))
        async with gateway(claude + native + routes) as sluice:
            _, first = await sluice.post(ASKED | {"input": "What time is it?"}, PATH)
            result = {"type": "function_call_output", "call_id": "toolu_1", "output": "noon"}
            await sluice.post({"model": "other", "input": [*first["output"], result]}, PATH)
    assert upstream.requests[1].target == "/v1/responses"
    assert upstream.requests[1].json() == {"model": "m-2", "input": [first["output"][-1], result]}
