"""Anthropic's clients in front of Anthropic's API: relayed as they are, with the features that their headers name."""

import json

import pytest

from sluice_gateway.sources.source import Loaded
from tests.support.gateway import gateway, loaded, provider, route
from tests.support.upstream import (
    answer,
    chunk,
    event_stream,
    json_answer,
    says,
    says_then_stalls,
    serve,
    stream_head,
)

HELLO = {
    "model": "chat",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hello"}],
    "own": {"b": 1.0, "a": 2},
}
USAGE = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 2}
STREAM = [
    (
        b"event: message_start\n"
        b'data: {"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    ),
    (
        b"event: message_delta\n"
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}\n\n'
    ),
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


def in_front_of(url: str) -> Loaded:
    policy = provider(
        "up", provider="anthropic", baseURL=url, credentials={"secretRef": {"name": "up", "key": "api-key"}}
    )
    return loaded(policy + route("chat", "up/claude"), keys={"up": "sk-ours"})


async def test_bytes_and_features_pass_and_the_callers_key_does_not() -> None:
    reply = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": USAGE}
    async with serve(says(json_answer(reply, headers=[("request-id", "req_theirs")]))) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            headers = {"x-api-key": "theirs", "anthropic-beta": "one,two", "anthropic-version": "2024-01-01"}
            async with sluice.session.post(sluice.url + "/v1/messages", json=HELLO, headers=headers) as response:
                assert await response.json() == reply
        [line] = await sluice.logged()
    [request] = upstream.requests
    assert request.body == json.dumps(HELLO).encode().replace(b'"chat"', b'"claude"')
    assert request.headers["x-api-key"] == "sk-ours"
    assert request.headers["anthropic-beta"] == "one,two"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert (line["prompt_tokens"], line["cached_tokens"], line["completion_tokens"]) == (5, 2, 1)
    assert line["provider_request_id"] == "req_theirs"


@pytest.mark.parametrize("beta", ["a;b", "x" * 2000])
async def test_features_with_odd_names_are_not_passed_on(beta: str) -> None:
    async with serve(says(json_answer({"type": "message", "content": []}))) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            headers = {"anthropic-beta": beta}
            async with sluice.session.post(sluice.url + "/v1/messages", json=HELLO, headers=headers) as response:
                assert response.status in (200, 400)
    assert all("anthropic-beta" not in request.headers for request in upstream.requests)


async def test_what_came_before_the_caller_left_is_counted() -> None:
    """What a stream says of its answer at its beginning is not what it took."""
    delta = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0}\n\n'
    sent = stream_head() + b"".join(map(chunk, [STREAM[0], *[delta] * 40]))
    async with serve(says_then_stalls(sent)) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            async with sluice.session.post(sluice.url + "/v1/messages", json=HELLO | {"stream": True}) as response:
                await response.content.readexactly(len(STREAM[0]) + 40 * len(delta))
                response.close()
            [line] = await sluice.logged()
    assert (line["status"], line["prompt_tokens"], line["completion_tokens"]) == (499, 3, 41)


async def test_a_stream_passes_and_is_counted() -> None:
    async with serve(says(event_stream(STREAM))) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            body = HELLO | {"stream": True}
            async with sluice.session.post(sluice.url + "/v1/messages", json=body) as response:
                assert await response.read() == b"".join(STREAM)
        [line] = await sluice.logged()
    assert "stream_options" not in upstream.requests[0].json()
    assert (line["prompt_tokens"], line["completion_tokens"], line["code"]) == (3, 7, None)


async def test_a_stream_that_breaks_off_ends_with_an_event_of_its_shape() -> None:
    async with serve(says(event_stream(STREAM[:1]))) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            body = HELLO | {"stream": True}
            async with sluice.session.post(sluice.url + "/v1/messages", json=body) as response:
                text = await response.read()
    event, data = text.removeprefix(STREAM[0]).strip().split(b"\n")
    assert event == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["type"] == "error"


async def test_errors_come_in_the_callers_shape() -> None:
    fault = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    async with serve(says(answer(529, fault))) as upstream:
        async with gateway(in_front_of(upstream.url)) as sluice:
            async with sluice.session.post(sluice.url + "/v1/messages", json=HELLO) as response:
                document = await response.json()
    assert response.status == 502
    assert document["type"] == "error"
    assert "Overloaded" in document["error"]["message"]
