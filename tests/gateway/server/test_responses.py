"""/v1/responses in front of a provider that only knows chat completions, with OpenAI's own SDK as the caller."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from tests.support.gateway import RunningGateway, gateway, provider, route
from tests.support.responses_events import fold
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    Script,
    ScriptedUpstream,
    chunk,
    event_stream,
    json_answer,
    says,
    says_then_cuts,
    serve,
    stream_head,
)

PATH = "/v1/responses"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1}}
CALLS = [
    {"index": index, "id": f"call_{city}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    for index, (city, arguments) in enumerate((("a", '{"city":"Bonn"}'), ("b", '{"city":"Ulm"}')))
]
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


def whole(message: dict[str, Any], finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    return json_answer({"id": "chatcmpl-1", "model": "m-1", "created": 7, "choices": [choice], "usage": USAGE})


def frame(delta: dict[str, Any] | None, finish: str | None = None, **members: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "model": "m-1", "created": 7, "choices": choices}
    return b"data: " + json.dumps(head | members).encode() + b"\n\n"


ENDING = (frame(None, usage=USAGE), b"data: [DONE]\n\n")
WORDS = [frame({"role": "assistant", "content": "Hel"}), frame({"content": "lo"}), frame({}, "stop"), *ENDING]
IN_PIECES = [frame({"role": "assistant", "tool_calls": CALLS[:1]}), frame({"tool_calls": CALLS[1:]})]
CALLING = [*IN_PIECES, frame({}, "tool_calls"), *ENDING]


@asynccontextmanager
async def standing(script: Script, **settings: Any) -> AsyncIterator[tuple[ScriptedUpstream, RunningGateway]]:
    """A gateway in front of a provider."""
    async with serve(script) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/m-1"), **settings) as sluice:
            yield upstream, sluice


def sdk(sluice: RunningGateway) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{sluice.url}/v1", api_key="x", _strict_response_validation=True, max_retries=0)


async def streamed(sluice: RunningGateway, **members: Any) -> bytes:
    body = {"model": "chat", "input": "Hello", "stream": True} | members
    async with sluice.session.post(sluice.url + PATH, json=body) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        return await response.read()


async def test_the_sdk_reads_an_answer() -> None:
    async with standing(says(whole({"content": "Hello!"}))) as (upstream, sluice), sdk(sluice) as client:
        answer = await client.responses.create(model="chat", input="Hi", instructions="Be brief.", store=False)
        [line] = await sluice.logged()
    assert (answer.output_text, answer.status, answer.model) == ("Hello!", "completed", "m-1")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens_details.reasoning_tokens) == (9, 1)
    assert (upstream.requests[0].target, upstream.requests[0].json()["messages"]) == (
        "/v1/chat/completions",
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    )
    assert (line["status"], line["prompt_tokens"], line["completion_tokens"]) == (200, 9, 3)


async def test_the_sdk_reads_a_stream() -> None:
    async with standing(says(event_stream(WORDS))) as (_, sluice), sdk(sluice) as client:
        async with client.responses.stream(model="chat", input="Hi") as stream:
            words = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
    assert (words, final.output_text, final.status) == (["Hel", "lo"], "Hello", "completed")


async def test_a_stream_adds_up_to_the_whole_answer_and_has_no_end_mark() -> None:
    answers = says(event_stream(CALLING), whole({"tool_calls": CALLS}, "tool_calls"))
    async with standing(answers) as (_, sluice):
        frames = await streamed(sluice)
        _, answer = await sluice.post({"model": "chat", "input": "Hello"}, PATH)
        lines = await sluice.logged(2)
    assert fold(frames) == answer
    assert b"[DONE]" not in frames
    assert [(line["status"], line["prompt_tokens"], line["completion_tokens"]) for line in lines] == [(200, 9, 3)] * 2


async def test_an_agent_calls_tools_and_goes_on() -> None:
    answers = says(whole({"content": "Let me look.", "tool_calls": CALLS}, "tool_calls"), whole({"content": "Rain."}))
    async with standing(answers) as (upstream, sluice), sdk(sluice) as client:
        history: list[Any] = [{"role": "user", "content": "Weather?"}]
        first = await client.responses.create(model="chat", input=history, tools=[WEATHER])
        history += first.output
        for item in first.output:
            if item.type == "function_call":
                result = f"rain in {json.loads(item.arguments)['city']}"
                history.append({"type": "function_call_output", "call_id": item.call_id, "output": result})
        second = await client.responses.create(model="chat", input=history, tools=[WEATHER])
    assert second.output_text == "Rain."
    user, said, *results = upstream.requests[1].json()["messages"]
    assert (user["role"], said["content"]) == ("user", "Let me look.")
    assert [call["id"] for call in said["tool_calls"]] == ["call_a", "call_b"]
    assert results == [
        {"role": "tool", "tool_call_id": "call_a", "content": "rain in Bonn"},
        {"role": "tool", "tool_call_id": "call_b", "content": "rain in Ulm"},
    ]


async def test_the_sdk_parses_a_structured_answer() -> None:
    class City(BaseModel):
        name: str

    async with standing(says(whole({"content": '{"name":"Bonn"}'}))) as (upstream, sluice), sdk(sluice) as client:
        answer = await client.responses.parse(model="chat", input="A city", text_format=City)
    assert answer.output_parsed == City(name="Bonn")
    assert upstream.requests[0].json()["response_format"]["json_schema"]["name"] == "City"


async def test_langchain_calls_tools_by_this_api() -> None:
    answers = says(event_stream(CALLING), event_stream(WORDS))
    async with standing(answers) as (upstream, sluice):
        model = ChatOpenAI(
            model="chat", base_url=f"{sluice.url}/v1", api_key="x", use_responses_api=True, streaming=True
        )
        tools = model.bind_tools([dict(WEATHER)])
        asked = HumanMessage("Weather?")
        said = await tools.ainvoke([asked])
        results = [ToolMessage("rain", tool_call_id=call["id"]) for call in said.tool_calls]
        last = await tools.ainvoke([asked, said, *results])
    assert [call["args"] for call in said.tool_calls] == [{"city": "Bonn"}, {"city": "Ulm"}]
    assert last.text == "Hello"
    assert [message["role"] for message in upstream.requests[1].json()["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]


async def test_state_is_refused_before_any_provider_is_asked() -> None:
    async with standing(says(whole({"content": "Hi"}))) as (upstream, sluice), sdk(sluice) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model="chat", input="Hi", previous_response_id="resp_1")
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "previous_response_id")
    assert upstream.requests == []


async def test_errors_before_the_stream_have_openais_shape() -> None:
    refusal = json_answer({"error": {"message": "slow down", "code": "rate_limit"}}, 429)
    async with standing(says(refusal)) as (_, sluice), sdk(sluice) as client:
        with pytest.raises(openai.RateLimitError):
            await client.responses.create(model="chat", input="Hi", stream=True)
        with pytest.raises(openai.NotFoundError) as caught:
            await client.responses.create(model="nobody", input="Hi")
    assert caught.value.code == "model_not_found"


async def test_a_stream_that_is_cut_fails_once_and_is_counted_as_a_failure() -> None:
    pieces = stream_head() + chunk(WORDS[0]) + chunk(IN_PIECES[0])
    async with standing(says_then_cuts(pieces)) as (_, sluice):
        frames = await streamed(sluice)
        [line] = await sluice.logged()
    response = fold(frames)
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert [item["type"] for item in response["output"]] == ["message", "function_call"]
    assert frames.count(b"event: response.failed") == 1
    assert (line["status"], line["code"]) == (502, "provider_error")


async def test_an_error_inside_a_stream_fails_it() -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(WORDS[0]))
        await heard.wait()
        await peer.send(chunk(b'data: {"error":{"message":"overloaded","code":503}}\n\n'), LAST_CHUNK)

    async with standing(script) as (_, sluice), sdk(sluice) as client:
        events = []
        async for event in await client.responses.create(model="chat", input="Hi", stream=True):
            heard.set()
            events.append(event)
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "overloaded" in last.response.error.message


async def test_a_stream_that_fails_in_silence_is_still_one_of_this_api() -> None:
    broken = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        await broken.wait()
        peer.cut()

    body = {"model": "chat", "input": "Hello", "stream": True}
    async with standing(script, keepalive_seconds=0.05) as (_, sluice):
        async with sluice.session.post(sluice.url + PATH, json=body) as response:
            assert (await response.content.readuntil(b"\n\n")).startswith(b":")
            broken.set()
            frames = b"".join([line async for line in response.content if not line.startswith(b":")]).lstrip(b"\n")
    assert fold(frames)["output"] == []


async def test_events_reach_the_caller_while_the_provider_still_speaks() -> None:
    heard = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(WORDS[0]))
        await heard.wait()
        await peer.send(*map(chunk, WORDS[1:]), LAST_CHUNK)

    async with standing(script) as (_, sluice), sdk(sluice) as client:
        async with client.responses.stream(model="chat", input="Hi") as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    heard.set()
        assert (await stream.get_final_response()).output_text == "Hello"


@pytest.mark.parametrize("member", [b"instructions", b"service_tier"])
async def test_half_a_character_is_no_defect(member: bytes) -> None:
    async with standing(says(whole({"content": "Hi"}))) as (_, sluice):
        body = b'{"model":"chat","input":"a","%b":"\\ud800"}' % member
        headers = {"content-type": "application/json"}
        async with sluice.session.post(sluice.url + PATH, data=body, headers=headers) as response:
            assert response.status in (200, 400)
