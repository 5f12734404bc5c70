"""Gemini behind a running gateway: where requests go and with which key, embeddings, errors, and a stream's end."""

import json
from typing import Any

import pytest

from sluice_gateway.calls import MAX_DEPTH
from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.requests import EmbeddingRequest
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import EmbeddingAdapter, Facts, FaultKind, ProviderFault, Wire
from sluice_gateway.providers.google.wire import GOOGLE, VERTEX
from sluice_gateway.providers.vendors import VENDORS
from sluice_gateway.sse import BadEvent
from tests.support.gateway import HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import ScriptedUpstream, event_stream, json_answer, says, serve

ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}
SECRET = {"secretRef": {"name": "one", "key": "api-key"}}
AT_VERTEX = {"vertex": {"project": "p", "location": "europe-west4"}}
FACTS = Facts(model="gemini-embedding-001", vendor="google")


def at(upstream: ScriptedUpstream, model: str = "gemini-2.5-flash", **spec: Any) -> Any:
    policy = provider("one", None, provider="google", baseURL=upstream.url, credentials=SECRET, **spec)
    return loaded(policy + route("chat", f"one/{model}"), keys={"one": "the-key"})


async def ask(sluice: RunningGateway, path: str = "/v1/chat/completions", **members: Any) -> tuple[int, str]:
    async with sluice.session.post(sluice.url + path, json=HELLO | members) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("spec", "stream", "target", "header", "key"),
    [
        ({}, False, "/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key", "the-key"),
        ({}, True, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "x-goog-api-key", "the-key"),
        (
            {"google": AT_VERTEX},
            False,
            "/v1beta1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent",
            "authorization",
            "Bearer the-key",
        ),
    ],
)
async def test_each_api_has_its_path_and_its_key(
    spec: dict[str, Any], stream: bool, target: str, header: str, key: str
) -> None:
    frames = event_stream([b"data: " + json.dumps(ANSWER).encode() + b"\r\n\r\n"])
    async with (
        serve(says(frames if stream else json_answer(ANSWER))) as upstream,
        gateway(at(upstream, **spec)) as sluice,
    ):
        status, text = await ask(sluice, stream=stream)
        [request] = upstream.requests
    assert (status, request.target, request.headers[header]) == (200, target, key)
    assert request.json() == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    if stream:
        assert text.endswith("data: [DONE]\n\n")
    else:
        assert json.loads(text)["choices"][0]["message"]["content"] == "Hi"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_has_a_host_for_each_location(location: str, host: str) -> None:
    google = {"vertex": {"project": "p", "location": location}}
    policy = provider("one", None, provider="google", google=google, credentials=SECRET)
    [compiled] = loaded(policy + route("chat", "one/m"), keys={"one": "k"}).snapshot.providers
    assert VENDORS["google"].base_url_of(compiled) == f"https://{host}"


async def test_embeddings_are_asked_for_in_one_batch() -> None:
    answer = {"embeddings": [{"values": [0.5, 1]}, {"values": [0.25, -1]}], "usageMetadata": {"promptTokenCount": 4}}
    async with (
        serve(says(json_answer(answer))) as upstream,
        gateway(at(upstream, "gemini-embedding-001")) as sluice,
    ):
        status, text = await ask(sluice, "/v1/embeddings", input=["a", "b"], messages=None)
        [request] = upstream.requests
    assert request.target == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    document = json.loads(text)
    assert (status, [one["embedding"] for one in document["data"]]) == (200, [[0.5, 1.0], [0.25, -1.0]])
    assert document["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


async def test_the_deepest_schema_that_a_body_may_hold_is_fitted() -> None:
    schema: Any = {"const": "a"}
    for _ in range(MAX_DEPTH - 6):  # the rest is the body's own way to the schema
        schema = {"items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    async with serve(says(json_answer(ANSWER))) as upstream, gateway(at(upstream)) as sluice:
        status, _ = await ask(sluice, tools=[tool])
        assert status == 200
        status, text = await ask(sluice, tools=[tool, [[[[[[tool]]]]]]])
    assert (status, json.loads(text)["error"]["code"]) == (400, "invalid_json")
    assert b'{"enum":["a"]}' in upstream.requests[0].body


async def test_a_caller_is_told_of_a_prompt_that_is_too_long() -> None:
    message = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    refusal = json_answer({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, 400)
    async with serve(says(refusal)) as upstream, gateway(at(upstream)) as sluice:
        status, text = await ask(sluice)
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "context_length_exceeded"}
    assert (status, json.loads(text)) == (400, {"error": error})


async def test_a_refused_key_is_not_the_callers() -> None:
    message = "API key not valid. Please pass a valid API key."
    refusal = json_answer([{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}], 400)
    async with serve(says(refusal)) as upstream, gateway(at(upstream)) as sluice:
        status, text = await ask(sluice)
    assert (status, json.loads(text)["error"]["code"]) == (502, "provider_auth_failed")


def no_header(name: str) -> None:
    """An answer without headers."""


def embeddings(wire: Wire) -> EmbeddingAdapter:
    adapter = wire.embeddings
    assert adapter is not None
    return adapter


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"usageMetadata": {"promptTokenCount": 7}}, Usage(prompt=7)),
        ({"usageMetadata": {}}, None),
        ({"usageMetadata": None}, None),
        ({}, None),
    ],
)
def test_embeddings_count_what_was_counted(counts: dict[str, Any], usage: Usage | None) -> None:
    body = json.dumps({"embeddings": [{"values": [1, 0.5]}], **counts}).encode()
    answer = embeddings(GOOGLE).parse_response(body)
    assert (answer.vectors, answer.usage) == (((1.0, 0.5),), usage)


def test_vertex_counts_each_text() -> None:
    vectors = [{"values": [1], "statistics": {"tokenCount": count}} for count in (3, 4)]
    answer = embeddings(VERTEX).parse_response(json.dumps({"embeddings": vectors}).encode())
    assert answer.usage == Usage(prompt=7)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"embeddings": [{"values": "x"}]}', b'{"embeddings": [{}]}', b"<html>"])
def test_what_is_no_embedding_is_a_bad_event(body: bytes) -> None:
    with pytest.raises(BadEvent):
        embeddings(GOOGLE).parse_response(body)


def test_an_error_in_the_place_of_vectors_is_a_fault() -> None:
    body = b'{"error": {"code": 503, "message": "overloaded \\ud83d", "status": "UNAVAILABLE"}}'
    with pytest.raises(ProviderFault) as caught:
        embeddings(GOOGLE).parse_response(body)
    assert caught.value.fault.kind is FaultKind.FAILED


def test_members_that_are_not_known_are_refused_unless_the_policy_is_lenient() -> None:
    request = EmbeddingRequest(inputs=("a",), extra={"title": "T", "input_type": "query"})
    with pytest.raises(UnsupportedParameter) as caught:
        embeddings(VERTEX).build_request(request, FACTS)
    assert caught.value.param == "input_type"
    lenient = Facts(model="m", policy="drop")
    assert json.loads(embeddings(VERTEX).build_request(request, lenient)) == {
        "requests": [{"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"title": "T"}}]
    }


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("0.5s", 0.5), ("999999999s", 86_400.0), ("-1s", None), ("soon", None), (5, None), (None, None)],
)
def test_the_delay_before_the_next_try_is_a_duration(delay: object, seconds: float | None) -> None:
    error = {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED", "details": [None, {"retryDelay": delay}]}
    fault = GOOGLE.adapter.parse_error(429, no_header, json.dumps({"error": error}).encode())
    assert (fault.kind, fault.retry_after) == (FaultKind.RATE_LIMITED, seconds)


@pytest.mark.parametrize(
    "body", ["5", "[]", "[5]", '{"error": "boom"}', '{"error": null}', '{"error": {"details": {}}}']
)
def test_errors_of_any_form_are_read(body: str) -> None:
    fault = GOOGLE.adapter.parse_error(418, no_header, body.encode())
    assert (fault.kind, fault.status) == (FaultKind.CALLER, 418)
    assert fault.message
