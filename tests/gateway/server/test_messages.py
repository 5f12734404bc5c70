"""Clients of Anthropic's Messages in front of a running gateway, and of providers that speak otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest
from anthropic.types import ToolParam

from tests.support.gateway import RunningGateway, gateway, loaded, provider, route
from tests.support.messages_stream import accumulated, checked
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    ScriptedUpstream,
    answer,
    chunk,
    event_stream,
    json_answer,
    says,
    serve,
    stream_head,
)

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
HELLO: dict[str, Any] = {"model": "chat", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}
WEATHER: ToolParam = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}


def completion(message: dict[str, Any], reason: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return json_answer({"id": "c1", "object": "chat.completion", "model": "gpt-1", "choices": [choice], "usage": USAGE})


def frame(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "c1", "model": "gpt-1", "choices": [choice]}).encode() + b"\n\n"


COUNTED = b"data: " + json.dumps({"id": "c1", "choices": [], "usage": USAGE}).encode() + b"\n\n"
DONE = b"data: [DONE]\n\n"
HI = completion({"content": "Hi!"})
STREAM = [frame({"role": "assistant", "content": ""}), frame({"content": "Hi"}), frame({"content": "!"}, "stop")]
CALLING = [
    frame({"role": "assistant", "content": "I look."}),
    frame({"tool_calls": [{"index": 0, **CALL}]}),
    frame({}, "tool_calls"),
    COUNTED,
    DONE,
]


@asynccontextmanager
async def behind(*answers: bytes, **spec: Any) -> AsyncIterator[tuple[RunningGateway, ScriptedUpstream]]:
    """A gateway whose route ``chat`` goes to an OpenAI-shaped provider with these answers."""
    async with (
        serve(says(*answers)) as upstream,
        gateway(provider("up", upstream.url, **spec) + route("chat", "up/gpt")) as sluice,
    ):
        yield sluice, upstream


@asynccontextmanager
async def native(*answers: bytes) -> AsyncIterator[tuple[RunningGateway, ScriptedUpstream]]:
    """A gateway whose route ``chat`` goes to a provider that speaks Messages itself."""
    async with (
        serve(says(*answers)) as upstream,
        gateway(provider("up", provider="anthropic", baseURL=upstream.url) + route("chat", "up/claude")) as sluice,
    ):
        yield sluice, upstream


async def test_a_message_comes_from_a_provider_that_speaks_otherwise() -> None:
    async with behind(HI) as (sluice, upstream):
        body = HELLO | {"system": "Be brief.", "stop_sequences": ["END"]}
        async with sluice.session.post(sluice.url + MESSAGES, json=body) as response:
            message = checked(await response.read())
        [line] = await sluice.logged()
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert response.headers["x-sluice-target"] == "up/gpt"
    assert message["content"] == [{"type": "text", "text": "Hi!"}]
    assert (message["id"], message["model"], message["stop_reason"]) == ("msg_c1", "gpt-1", "end_turn")
    assert (line["status"], line["prompt_tokens"], line["completion_tokens"]) == (200, 9, 4)
    [request] = upstream.requests
    assert request.target == "/v1/chat/completions"
    assert request.json()["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert request.json()["stop"] == ["END"]


async def test_a_stream_is_translated_as_it_comes() -> None:
    async with behind(event_stream([*CALLING])) as (sluice, _):
        async with sluice.session.post(sluice.url + MESSAGES, json=HELLO | {"stream": True}) as response:
            message = accumulated(await response.read())
        [line] = await sluice.logged()
    assert response.content_type == "text/event-stream"
    assert message["stop_reason"] == "tool_use"
    assert message["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}},
    ]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 4)
    assert (line["status"], line["prompt_tokens"], line["completion_tokens"]) == (200, 9, 4)


async def cuts(peer: Peer) -> None:
    peer.cut()


def goes_on(frame: bytes) -> Callable[[Peer], Awaitable[None]]:
    async def tail(peer: Peer) -> None:
        await peer.send(chunk(frame), LAST_CHUNK)

    return tail


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(cuts, id="cut"),
        pytest.param(goes_on(b"data: {oops\n\n"), id="broken JSON"),
        pytest.param(goes_on(b'data: {"error":{"message":"boom"}}\n\n'), id="an error inside"),
    ],
)
async def test_a_stream_that_breaks_off_ends_with_one_error_event(tail: Callable[[Peer], Awaitable[None]]) -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(STREAM[0] + STREAM[1]))
        await heard.wait()
        await tail(peer)

    async with (
        serve(script) as upstream,
        gateway(provider("up", upstream.url) + route("chat", "up/gpt")) as sluice,
        sluice.session.post(sluice.url + MESSAGES, json=HELLO | {"stream": True}) as response,
    ):
        frames = await response.content.readuntil(b"\n\n")
        heard.set()
        frames += await response.read()
        [line] = await sluice.logged()
    assert frames.count(b"event: error\n") == 1
    assert b"message_stop" not in frames
    last = json.loads(frames.rpartition(b"data: ")[2])
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")
    assert (line["status"], line["code"]) == (502, "provider_error")


ERRORS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens is missing"),
    ({"model": "other"}, 404, "not_found_error", "no route serves the model 'other'"),
    (
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        400,
        "invalid_request_error",
        "tools.0.type: tools of type 'web_search_20250305' are Anthropic's own",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        400,
        "invalid_request_error",
        "messages.0.content.0.source is missing",
    ),
]


@pytest.mark.parametrize(("members", "status", "kind", "message"), ERRORS)
async def test_callers_mistakes_are_told_in_anthropics_words(
    members: dict[str, Any], status: int, kind: str, message: str
) -> None:
    async with behind(HI) as (sluice, upstream):
        response, body = await sluice.post(HELLO | members, MESSAGES)
        assert upstream.requests == []
    assert response.status == status
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert message in body["error"]["message"]


async def test_half_a_character_is_a_callers_mistake() -> None:
    async with behind(HI) as (sluice, _):
        for path in (MESSAGES, COUNT):
            data = json.dumps(
                HELLO
                | {
                    "messages": [
                        {
                            "role": "assistant",
                            "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"a": "\ud83d"}}],
                        }
                    ]
                }
            )
            headers = {"content-type": "application/json"}
            async with sluice.session.post(sluice.url + path, data=data, headers=headers) as response:
                body = await response.json()
            assert (response.status, body["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "kind"),
    [
        ("GET", MESSAGES, {}, 405, "invalid_request_error"),
        ("GET", "/v1/messages/batches", {}, 404, "not_found_error"),
        ("POST", MESSAGES, {"data": "a=b", "headers": {"content-type": "text/plain"}}, 415, "invalid_request_error"),
        (
            "POST",
            MESSAGES,
            {"data": "{", "headers": {"content-type": "application/json"}},
            400,
            "invalid_request_error",
        ),
        ("POST", COUNT, {"json": {"model": "chat", "x": "a" * 5000}}, 413, "request_too_large"),
    ],
)
async def test_every_refusal_of_the_front_door_has_anthropics_shape(
    method: str, path: str, options: Any, status: int, kind: str
) -> None:
    async with gateway(provider("mock") + route("chat", "mock"), max_body_bytes=4096) as sluice:
        async with sluice.session.request(method, sluice.url + path, **options) as response:
            body = await response.json()
    assert response.status == status
    assert (body["type"], body["error"]["type"]) == ("error", kind)


async def test_keys_are_taken_from_anthropics_header() -> None:
    async with serve(says(HI)) as upstream:
        documents = provider("up", upstream.url) + route("chat", "up/gpt")
        async with gateway(loaded(documents, callers={"team-a": "key-a"}), auth=True) as sluice:
            served, _ = await sluice.post(HELLO, MESSAGES, headers={"x-api-key": "key-a"})
            refused, body = await sluice.post(HELLO, MESSAGES, headers={"x-api-key": "other"})
    assert served.status == 200
    assert (refused.status, body["error"]["type"]) == (401, "authentication_error")


async def test_a_providers_failures_have_anthropics_types() -> None:
    limited = json_answer({"error": {"message": "slow down"}}, 429, [("retry-after", "7")])
    async with behind(limited) as (sluice, _):
        response, body = await sluice.post(HELLO, MESSAGES)
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert (body["error"]["type"], body["error"]["details"]["error_code"]) == (
        "rate_limit_error",
        "rate_limit_exceeded",
    )


async def test_no_target_that_can_serve_is_an_overload() -> None:
    async with serve(says(answer(500))) as upstream:
        documents = provider("one", upstream.url) + provider("two", upstream.url) + route("chat", "one/a", "two/b")
        async with gateway(documents) as sluice:
            response, body = await sluice.post(HELLO, MESSAGES)
    assert (response.status, body["error"]["type"]) == (503, "overloaded_error")
    assert [attempt["target"] for attempt in body["error"]["details"]["attempts"]] == ["one/a", "two/b"]


async def test_tokens_are_counted_without_asking_a_provider_that_does_not_count() -> None:
    async with behind(HI) as (sluice, upstream):
        body = {name: value for name, value in HELLO.items() if name != "max_tokens"}
        response, counted = await sluice.post(body | {"system": "a" * 400, "tools": [WEATHER]}, COUNT)
        refused, _ = await sluice.post(body | {"messages": []}, COUNT)
        assert upstream.requests == []
        [line, _] = await sluice.logged(2)
    assert (response.status, list(counted)) == (200, ["input_tokens"])
    assert 110 < counted["input_tokens"] < 160
    assert refused.status == 400
    assert (line["status"], line["attempts"], line["prompt_tokens"]) == (200, 0, None)


async def test_tokens_are_counted_by_a_provider_that_does() -> None:
    async with native(json_answer({"input_tokens": 42})) as (sluice, upstream):
        response, counted = await sluice.post(HELLO, COUNT)
        [request] = upstream.requests
    assert (response.status, counted) == (200, {"input_tokens": 42})
    assert (request.target, request.json()) == ("/v1/messages/count_tokens", HELLO | {"model": "claude"})


NATIVE = (
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":"","odd":1.50}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":4}}\n\n'
)
END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.mark.parametrize("sent", [NATIVE, NATIVE + END], ids=["end mark forgotten", "whole"])
async def test_a_provider_of_the_same_shape_is_relayed_and_ends_with_the_shapes_mark(sent: bytes) -> None:
    async with native(event_stream([sent])) as (sluice, _):
        async with sluice.session.post(sluice.url + MESSAGES, json=HELLO | {"stream": True}) as response:
            assert await response.read() == NATIVE + END
        [line] = await sluice.logged()
    assert (line["status"], line["prompt_tokens"], line["completion_tokens"]) == (200, 3, 4)


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
async def test_thoughts_of_another_provider_are_not_relayed_to_one_that_would_refuse_them(path: str) -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "sluice.thought.google.CiQB"}
    said = {"type": "text", "text": "Hi."}
    turns = [*HELLO["messages"], {"role": "assistant", "content": [thought, said]}, *HELLO["messages"]]
    async with native(json_answer({"input_tokens": 42})) as (sluice, upstream):
        await sluice.post(HELLO | {"messages": turns}, path)
        [request] = upstream.requests
    assert request.json()["messages"][1] == {"role": "assistant", "content": [said]}


async def asked(sluice: RunningGateway, ask: Callable[[anthropic.Anthropic], Any]) -> Any:
    """What Anthropic's own client gets, which reads every answer strictly."""

    def run() -> Any:
        with anthropic.Anthropic(
            base_url=sluice.url, api_key="k", max_retries=0, _strict_response_validation=True
        ) as client:
            return ask(client)

    return await asyncio.to_thread(run)


async def test_the_official_client_carries_a_tool_through_two_turns() -> None:
    def ask(client: anthropic.Anthropic) -> Any:
        question: Any = {"role": "user", "content": "How is Rome?"}
        first = client.messages.create(model="chat", max_tokens=64, messages=[question], tools=[WEATHER])
        [call] = [block for block in first.content if block.type == "tool_use"]
        result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain"}
        turns: Any = [question, first.to_param(), {"role": "user", "content": [result]}]
        return first, client.messages.create(model="chat", max_tokens=64, messages=turns, tools=[WEATHER])

    calling = completion({"content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]}, "tool_calls")
    async with behind(calling, HI) as (sluice, upstream):
        first, second = await asked(sluice, ask)
        sent = upstream.requests[1].json()["messages"]
    assert (first.stop_reason, first._request_id is not None) == ("tool_use", True)
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    assert second.content[0].text == "Hi!"
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"] == [CALL]
    assert sent[2] == {"role": "tool", "tool_call_id": "call_1", "content": "Rain"}


async def test_the_official_client_adds_a_stream_up() -> None:
    def ask(client: anthropic.Anthropic) -> Any:
        with client.messages.stream(model="chat", max_tokens=64, messages=HELLO["messages"]) as stream:
            return list(stream.text_stream), stream.get_final_message()

    async with behind(event_stream([*STREAM, COUNTED, DONE])) as (sluice, _):
        words, message = await asked(sluice, ask)
    assert (words, message.stop_reason) == (["Hi", "!"], "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 4)


async def test_the_official_client_counts_and_understands_refusals() -> None:
    def ask(client: anthropic.Anthropic) -> Any:
        counted = client.messages.count_tokens(model="chat", messages=HELLO["messages"])
        with pytest.raises(anthropic.NotFoundError) as refused:
            client.messages.create(model="other", max_tokens=64, messages=HELLO["messages"])
        return counted.input_tokens, refused.value

    async with behind(HI) as (sluice, _):
        tokens, refused = await asked(sluice, ask)
    assert tokens > 0
    assert (refused.type, refused.error_code) == ("not_found_error", "model_not_found")
    assert refused.request_id.startswith("req_")


async def test_the_official_client_raises_what_breaks_a_stream() -> None:
    def ask(client: anthropic.Anthropic) -> Any:
        with (
            pytest.raises(anthropic.APIStatusError) as broken,
            client.messages.stream(model="chat", max_tokens=64, messages=HELLO["messages"]) as stream,
        ):
            stream.until_done()
        return broken.value

    async with behind(event_stream(STREAM[:2])) as (sluice, _):
        broken = await asked(sluice, ask)
    assert (broken.type, broken.error_code) == ("api_error", "provider_error")
