"""Each vendor that speaks OpenAI's shape, behind a running gateway: what it is sent, what is made of its answers."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import (
    Peer,
    Request,
    Script,
    ScriptedUpstream,
    chunks,
    event_stream,
    json_answer,
    says,
    serve,
    stream_head,
)
from tests.support.upstream import chunk as one_chunk

STREAM = HELLO | {"stream": True}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def completion(message: dict[str, Any] | None = None, finish: str = "stop", **members: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"} | (message or {}), "finish_reason": finish}
    return json_answer({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], **members})


def chunk(delta: dict[str, Any], finish: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return frame({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]} | members)


def frame(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def vendor(name: str, kind: str, upstream: ScriptedUpstream, path: str = "/v1", **spec: Any) -> str:
    return provider(name, upstream.url, **{"provider": kind, "baseURL": f"{upstream.url}{path}"} | spec)


async def streamed(sluice: RunningGateway, body: dict[str, Any], path: str = CHAT) -> bytes:
    async with sluice.session.post(sluice.url + path, json=body) as response:
        assert response.status == 200
        return await response.read()


@pytest.mark.parametrize(
    ("kind", "script", "counted"),
    [
        (
            "groq",
            (
                chunk({"content": "Hi"}, x_groq={"id": "req_1"}),
                chunk({}, "stop", x_groq={"id": "req_1", "usage": {"prompt_tokens": 9, "completion_tokens": 4}}),
            ),
            (9, 4, 0),
        ),
        (
            "deepseek",
            (
                chunk({"content": "Hi"}),
                chunk(
                    {"content": ""},
                    "stop",
                    usage={
                        "prompt_tokens": 9,
                        "completion_tokens": 4,
                        "prompt_cache_hit_tokens": 6,
                        "prompt_cache_miss_tokens": 3,
                    },
                ),
            ),
            (9, 4, 6),
        ),
        (
            "llamacpp",
            (chunk({"content": "Hi"}), chunk({}, "stop", timings={"cache_n": 6, "prompt_n": 3, "predicted_n": 4})),
            (9, 4, 6),
        ),
        (
            "openai-compatible",
            (
                chunk({"content": "Hi"}),
                frame(
                    {
                        "choices": [
                            {
                                "index": 0,
                                "delta": {},
                                "finish_reason": "stop",
                                "usage": {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 6},
                            }
                        ]
                    }
                ),
            ),
            (9, 4, 6),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_usage_is_counted_wherever_a_vendor_reports_it(
    kind: str, script: tuple[bytes, ...], counted: tuple[int, int, int]
) -> None:
    async with (
        serve(says(event_stream([*script, DONE]))) as upstream,
        gateway(vendor("up", kind, upstream) + route("chat", "up/m")) as sluice,
    ):
        assert await streamed(sluice, STREAM) == b"".join(script) + DONE
        [line] = await sluice.logged()
        assert (line["prompt_tokens"], line["completion_tokens"], line["cached_tokens"]) == counted
        assert line["estimated"] is False


async def test_deepseek_gets_the_limit_by_the_name_that_it_knows() -> None:
    async with (
        serve(says(completion())) as upstream,
        gateway(vendor("up", "deepseek", upstream, path="") + route("chat", "up/deepseek-v4-pro")) as sluice,
    ):
        await sluice.post(HELLO | {"max_completion_tokens": 64, "parallel_tool_calls": True, "n": 1})
        [request] = upstream.requests
        assert request.target == "/chat/completions"
        assert request.json() == HELLO | {"model": "deepseek-v4-pro", "max_tokens": 64}


async def test_openais_models_that_reason_get_the_limit_by_the_only_name_that_they_know() -> None:
    asked = b'{"model":"chat","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}'
    headers = {"content-type": "application/json"}
    async with (
        serve(says(completion())) as upstream,
        gateway(vendor("up", "openai", upstream) + route("chat", "up/gpt-6-astra")) as sluice,
    ):
        for path in (CHAT, "/v1/completions"):
            async with sluice.session.post(sluice.url + path, data=asked, headers=headers) as response:
                assert response.status == 200
        chat, older = (request.body for request in upstream.requests)
        assert chat == asked.replace(b'"chat"', b'"gpt-6-astra"').replace(b'"max_tokens"', b'"max_completion_tokens"')
        assert older == asked.replace(b'"chat"', b'"gpt-6-astra"')


async def test_what_a_vendor_lacks_is_refused_by_name_before_it_is_asked() -> None:
    async with (
        serve(says(completion())) as upstream,
        gateway(vendor("up", "deepseek", upstream) + route("chat", "up/m")) as sluice,
    ):
        response, body = await sluice.post(HELLO | {"n": 2})
        assert (response.status, body["error"]["code"], body["error"]["param"]) == (400, "unsupported_parameter", "n")
        assert not upstream.requests


async def test_what_one_vendor_lacks_another_may_have() -> None:
    async with (
        serve(says(completion())) as lacking,
        serve(says(completion())) as having,
        gateway(vendor("a", "groq", lacking) + vendor("b", "openai", having) + route("chat", "a/m", "b/m")) as sluice,
    ):
        response, _ = await sluice.post(HELLO | {"logprobs": True})
        assert response.headers["x-sluice-target"] == "b/m"
        assert not lacking.requests
        assert having.requests[0].json()["logprobs"] is True


async def test_an_answer_that_the_server_could_not_finish_goes_to_another() -> None:
    async with (
        serve(says(completion(finish="insufficient_system_resource"))) as broken,
        serve(says(completion())) as sound,
        gateway(vendor("a", "deepseek", broken) + vendor("b", "vllm", sound) + route("chat", "a/m", "b/m")) as sluice,
    ):
        response, _ = await sluice.post()
        assert (response.status, response.headers["x-sluice-target"]) == (200, "b/m")


async def test_a_full_server_is_a_reason_to_ask_another() -> None:
    full = json_answer({"error": {"code": 503, "message": "no slot available", "type": "unavailable_error"}}, 503)
    async with (
        serve(says(full)) as busy,
        serve(says(completion())) as free,
        gateway(vendor("a", "llamacpp", busy) + vendor("b", "llamacpp", free) + route("chat", "a/m", "b/m")) as sluice,
    ):
        response, _ = await sluice.post()
        assert response.headers["x-sluice-target"] == "b/m"


async def test_a_model_that_loads_tells_how_long() -> None:
    loading = json_answer({"error": "Model m is currently loading", "estimated_time": 20.5}, 503)
    async with (
        serve(says(loading)) as upstream,
        gateway(vendor("up", "huggingface", upstream) + route("chat", "up/m")) as sluice,
    ):
        response, _ = await sluice.post()
        assert (response.status, response.headers["retry-after"]) == (502, "21")


@pytest.mark.parametrize(
    ("path", "spec", "target"),
    [
        (
            "",
            {"azure": {"apiVersion": "2024-10-21"}},
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        ),
        ("", {}, "/openai/v1/chat/completions"),
        ("/openai/v1/", {}, "/openai/v1/chat/completions"),
    ],
    ids=["with an API version", "without", "at the base URL of OpenAI's client"],
)
async def test_azure_is_found_at_its_deployment_or_its_newer_api(path: str, spec: dict[str, Any], target: str) -> None:
    credentials = {"credentials": {"secretRef": {"name": "azure", "key": "api-key"}}}
    async with serve(says(completion())) as upstream:
        policy = vendor("up", "azure", upstream, path, **spec, **credentials)
        async with gateway(loaded(policy + route("chat", "up/gpt-4o"), keys={"azure": "az-secret"})) as sluice:
            await sluice.post()
        [request] = upstream.requests
        assert (request.target, request.headers["api-key"]) == (target, "az-secret")
        assert "authorization" not in request.headers
        assert request.json()["model"] == "gpt-4o"


async def test_azures_first_chunk_reaches_the_caller_and_finishes_nothing() -> None:
    frames = [
        frame({"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}], "usage": None}),
        chunk({"content": "Hi"}),
        chunk({}, "stop"),
    ]
    usage = frame({"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})
    async with (
        serve(says(event_stream([*frames, usage, DONE]))) as upstream,
        gateway(vendor("up", "azure", upstream, path="") + route("chat", "up/m")) as sluice,
    ):
        assert await streamed(sluice, STREAM) == b"".join(frames) + DONE
        assert (await sluice.logged())[0]["prompt_tokens"] == 9


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (404, {"code": "DeploymentNotFound", "message": "It does not exist."}, (404, "model_not_found")),
        (
            400,
            {
                "code": "content_filter",
                "message": "Filtered.",
                "param": "prompt",
                "innererror": {"content_filter_result": {"violence": {"filtered": True}}},
            },
            (400, "content_filter"),
        ),
    ],
    ids=["deployment not found", "content filter"],
)
async def test_azures_refusals(status: int, error: dict[str, Any], told: tuple[int, str]) -> None:
    async with (
        serve(says(json_answer({"error": error}, status))) as upstream,
        gateway(vendor("up", "azure", upstream, path="") + route("chat", "up/m")) as sluice,
    ):
        response, body = await sluice.post()
        assert (response.status, body["error"]["code"]) == told


async def test_completions_become_a_chat_where_there_is_nothing_else() -> None:
    async with (
        serve(says(completion())) as upstream,
        gateway(vendor("up", "groq", upstream) + route("chat", "up/m")) as sluice,
    ):
        _, body = await sluice.post({"model": "chat", "prompt": "Hi", "max_tokens": 8}, path="/v1/completions")
        assert (body["object"], body["choices"][0]["text"]) == ("text_completion", "Hi")
        [request] = upstream.requests
        assert request.target == "/v1/chat/completions"
        assert request.json() == {
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_completion_tokens": 8,
        }


def calling(kind: str) -> Script:
    """Answers as a vendor does whose model calls a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    thought = {"reasoning_content" if kind == "deepseek" else "reasoning": "I look."}
    return says(completion({"content": None, "tool_calls": [call], **thought}, "tool_calls"))


@pytest.mark.parametrize("kind", ["groq", "deepseek", "vllm", "ollama"])
async def test_reasoning_and_calls_survive_a_turn_of_messages(kind: str) -> None:
    tool = {"name": "weather", "input_schema": {"type": "object"}}
    question = {"role": "user", "content": "Rain?"}
    asked = {"model": "chat", "max_tokens": 64, "tools": [tool], "messages": [question]}
    async with (
        serve(calling(kind)) as upstream,
        gateway(vendor("up", kind, upstream) + route("chat", "up/m")) as sluice,
    ):
        _, said = await sluice.post(asked, path="/v1/messages")
        assert [block["type"] for block in said["content"]] == ["thinking", "tool_use"]
        assert said["stop_reason"] == "tool_use"
        result = {"type": "tool_result", "tool_use_id": said["content"][1]["id"], "content": "Sun"}
        turns = [question, {"role": "assistant", "content": said["content"]}, {"role": "user", "content": [result]}]
        await sluice.post(asked | {"messages": turns}, path="/v1/messages")
        answered, after = upstream.requests[1].json()["messages"][1:]
        name = "reasoning_content" if kind == "deepseek" else "reasoning"
        assert (answered[name], answered["tool_calls"][0]["id"]) == ("I look.", "call_1")
        assert after == {"role": "tool", "tool_call_id": "call_1", "content": "Sun"}


RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "completed", "error": None, "output": []}
COUNTED = {"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}}


@pytest.mark.parametrize(
    ("kind", "path", "target"),
    [("openai", "/v1", "/v1/responses"), ("azure", "", "/openai/v1/responses"), ("groq", "/v1", "/v1/responses")],
)
async def test_responses_are_relayed_to_those_who_have_them(kind: str, path: str, target: str) -> None:
    body = b'{"model": "chat", "input": "Hi", "x_unknown": 1.0}'
    headers = {"content-type": "application/json"}
    async with (
        serve(says(json_answer(RESPONSE | {"usage": COUNTED, "x_odd": 1.5}))) as upstream,
        gateway(vendor("up", kind, upstream, path) + route("chat", "up/m")) as sluice,
    ):
        async with sluice.session.post(sluice.url + "/v1/responses", data=body, headers=headers) as response:
            assert (await response.json())["x_odd"] == 1.5
        [request] = upstream.requests
        assert (request.target, request.body) == (target, body.replace(b'"chat"', b'"m"'))
        [line] = await sluice.logged()
        assert (line["prompt_tokens"], line["completion_tokens"], line["reasoning_tokens"]) == (9, 4, 2)


async def test_a_stream_of_responses_is_relayed_to_its_end() -> None:
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": RESPONSE | {"status": "in_progress", "usage": None}}),
        ("response.output_text.delta", {"delta": "Hi"}),
        ("response.completed", {"response": RESPONSE | {"usage": COUNTED}}),
    ]
    frames = [f"event: {kind}\n".encode() + frame({"type": kind, **members}) for kind, members in events]
    asked = {"model": "chat", "input": "Hi", "stream": True}
    async with (
        serve(says(event_stream(frames))) as upstream,
        gateway(vendor("up", "openai", upstream) + route("chat", "up/m")) as sluice,
    ):
        assert await streamed(sluice, asked, "/v1/responses") == b"".join(frames)
        [line] = await sluice.logged()
        assert (line["status"], line["prompt_tokens"]) == (200, 9)


async def test_a_stream_of_responses_that_fails_ends_with_one_error() -> None:
    failed = RESPONSE | {"status": "failed", "error": {"code": "server_error", "message": "boom"}}
    frames = [
        frame({"type": "response.created", "response": RESPONSE | {"status": "in_progress"}}),
        frame({"type": "response.failed", "response": failed}),
    ]
    asked = {"model": "chat", "input": "Hi", "stream": True}
    read = asyncio.Event()

    async def fail_when_read(peer: Peer, request: Request) -> None:
        await peer.send(stream_head() + one_chunk(frames[0]))
        await read.wait()
        await peer.send(chunks(frames[1:]))

    async with (
        serve(fail_when_read) as upstream,
        gateway(vendor("up", "openai", upstream) + route("chat", "up/m")) as sluice,
        sluice.session.post(sluice.url + "/v1/responses", json=asked) as response,
    ):
        assert await response.content.readuntil(b"\n\n") == frames[0]
        read.set()
        told = await response.content.read()
        assert told.count(b"data: ") == 1
        assert b"boom" in told
        assert (await sluice.logged())[0]["code"] == "provider_error"


HISTORY = [
    {"role": "user", "content": "Rain?"},
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "I look.",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "I look.", "signature": "c2VhbA==", "format": "google"}
        ],
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "c2VhbA=="}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": 'the member "reasoning_content" of it'},
]
OWN_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("openai", {"role": "assistant", "content": None, "tool_calls": [OWN_CALL]}),
        ("groq", {"role": "assistant", "content": None, "reasoning": "I look.", "tool_calls": [OWN_CALL]}),
        ("deepseek", HISTORY[1]),
    ],
)
async def test_a_conversation_goes_on_at_another_vendor(kind: str, answer: dict[str, Any]) -> None:
    async with (
        serve(says(completion())) as upstream,
        gateway(vendor("up", kind, upstream) + route("chat", "up/m")) as sluice,
    ):
        await sluice.post({"model": "chat", "temperature": 1.0, "messages": HISTORY})
        [request] = upstream.requests
        assert request.json()["messages"] == [HISTORY[0], answer, HISTORY[2]]
        assert b'"temperature": 1.0' in request.body


async def test_words_about_such_members_change_nothing() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": '"reasoning_content"', "reasoning_content": 1.0}]}
    async with (
        serve(says(completion())) as upstream,
        gateway(vendor("up", "openai", upstream) + route("chat", "up/m", models=("m",))) as sluice,
    ):
        await sluice.post(asked)
        assert upstream.requests[0].body == json.dumps(asked).encode()
