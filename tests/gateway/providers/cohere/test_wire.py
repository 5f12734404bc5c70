"""A gateway before Cohere: where requests go, what they hold, and what comes of answers, cuts and refusals."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sluice_gateway.dialects.chat.dialect import ChatDialect
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.requests import Reasoning
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.cohere.wire import COHERE
from sluice_gateway.providers.parameters import fit
from tests.support.gateway import HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import Script, ScriptedUpstream, event_stream, json_answer, says, says_then_ends, serve

FOLDER = Path(__file__).resolve().parents[3] / "golden" / "providers" / "cohere"
ANSWER = json.loads((FOLDER / "response-text.in.json").read_bytes())
STREAM = (FOLDER / "stream-text.in.sse").read_bytes()
SECRET = {"secretRef": {"name": "co", "key": "api-key"}}
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}


@contextlib.asynccontextmanager
async def before(said: bytes | Script, *more: str) -> AsyncIterator[tuple[RunningGateway, ScriptedUpstream]]:
    """A gateway before a server that speaks like Cohere, and the mock behind it where ``more`` is one."""
    async with serve(says(said) if isinstance(said, bytes) else said) as upstream:
        policy = provider("co", provider="cohere", baseURL=upstream.url, credentials=SECRET)
        targets = ("co/command-a-03-2025", "spare/m") if more else ("co/command-a-03-2025",)
        routes = route("chat", *targets) + route("texts", "co/embed-v4.0", models=("texts",))
        async with gateway(loaded(policy + "".join(more) + routes, keys={"co": "co-key"})) as sluice:
            yield sluice, upstream


async def ask(sluice: RunningGateway, path: str = "/v1/chat/completions", **members: Any) -> tuple[int, str]:
    async with sluice.session.post(sluice.url + path, json=HELLO | members) as response:
        return response.status, await response.text()


async def test_a_request_has_its_path_and_the_gateways_key_alone() -> None:
    async with before(json_answer(ANSWER)) as (sluice, upstream):
        response, body = await sluice.post(headers={"authorization": "Bearer of-the-caller"})
        [request] = upstream.requests
    assert (request.target, request.headers["authorization"]) == ("/v2/chat", "Bearer co-key")
    assert request.json() == {
        "model": "command-a-03-2025",
        "stream": False,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    assert response.status == 200
    assert (body["id"], body["model"], body["usage"]["total_tokens"]) == (ANSWER["id"], "command-a-03-2025", 78)


async def test_a_stream_comes_whole_and_is_counted() -> None:
    async with before(event_stream([STREAM])) as (sluice, upstream):
        status, text = await ask(sluice, stream=True)
        [line] = await sluice.logged()
        assert upstream.requests[0].json()["stream"] is True
    assert status == 200
    assert text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in text  # which the caller has not asked for
    assert (line["prompt_tokens"], line["completion_tokens"], line.get("code")) == (71, 7, None)


async def test_a_stream_that_is_cut_ends_with_one_error() -> None:
    cut = event_stream([STREAM[: STREAM.index(b"event: message-end")]])
    async with before(says_then_ends(cut)) as (sluice, _):
        status, text = await ask(sluice, stream=True)
        [line] = await sluice.logged()
    assert status == 200
    assert text.count('"error"') == 1
    assert "[DONE]" not in text
    assert line["code"] == "provider_error"


@pytest.mark.parametrize(
    "said",
    [
        json_answer({"id": "1", "message": "Please add or update your payment method"}, 402),
        json_answer({"id": "1", "message": "limited to 1000 API calls / month"}, 429),
        json_answer({"id": "1", "message": "model 'command-a-03-2025' not found"}, 404),
        json_answer({"id": "1", "message": "internal server error"}, 500),
        json_answer({"id": "1", "finish_reason": "ERROR", "message": {"role": "assistant", "content": []}}),
        json_answer({"id": "1", "message": "an error that calls itself a success"}),
        json_answer("<html>"),
    ],
    ids=["no credit", "trial spent", "no model", "internal", "ERROR", "error under 200", "not an object"],
)
async def test_what_is_cohere_s_own_trouble_moves_on(said: bytes) -> None:
    async with before(says(said, said, said), provider("spare")) as (sluice, _):
        response, _ = await sluice.post()
    assert (response.status, response.headers["x-sluice-target"]) == (200, "spare/m")


async def test_a_prompt_that_is_too_long_is_the_callers_trouble() -> None:
    said = json_answer(
        {"id": "1", "message": "too many tokens: total number of tokens in the prompt cannot exceed 9"}, 400
    )
    async with before(said, provider("spare")) as (sluice, _):
        response, body = await sluice.post()
    assert (response.status, body["error"]["code"]) == (400, "context_length_exceeded")


async def test_half_a_character_is_refused() -> None:
    async with before(json_answer(ANSWER)) as (sluice, upstream):
        status, text = await ask(sluice, messages=[{"role": "user", "content": "\ud83d"}])
        assert not upstream.requests
    assert (status, json.loads(text)["error"]["type"]) == (400, "invalid_request_error")


async def test_embeddings() -> None:
    answer = {"id": "1", "embeddings": {"float": [[0.5, 1], [0.25, -1]]}, "meta": {"billed_units": {"input_tokens": 4}}}
    async with before(json_answer(answer)) as (sluice, upstream):
        body = {"model": "texts", "input": ["a", "b"], "input_type": "search_query"}
        response, document = await sluice.post(body, "/v1/embeddings")
        [request] = upstream.requests
    assert (response.status, request.target, request.json()["input_type"]) == (200, "/v2/embed", "search_query")
    assert [one["embedding"] for one in document["data"]] == [[0.5, 1.0], [0.25, -1.0]]
    assert document["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def built(policy: Any = "strict", capabilities: frozenset[str] = frozenset(), **members: Any) -> dict[str, Any]:
    facts = Facts(model="m", vendor="cohere", policy=policy, capabilities=capabilities)
    request = fit(ChatDialect().read(HELLO | members), COHERE.parameters, policy, "cohere")
    body: dict[str, Any] = json.loads(COHERE.adapter.build_request(request, facts))
    return body


@pytest.mark.parametrize(
    ("wish", "thinking"),
    [
        (Reasoning(effort="none"), {"type": "disabled"}),
        (Reasoning(budget=0), {"type": "disabled"}),
        (Reasoning(effort="minimal"), {"type": "enabled", "token_budget": 1024}),
        (Reasoning(effort="medium"), {"type": "enabled", "token_budget": 10_000}),
        (Reasoning(effort="xhigh"), {"type": "enabled"}),
        (Reasoning(effort="low", budget=77), {"type": "enabled", "token_budget": 77}),
        (Reasoning(budget=-1), {"type": "enabled"}),
        (Reasoning(summary="auto"), {"type": "enabled"}),
    ],
)
def test_wishes_for_reasoning(wish: Reasoning, thinking: dict[str, Any]) -> None:
    request = fit(ChatDialect().read(HELLO | {"reasoning_effort": "x"}), COHERE.parameters, "strict", "cohere")
    facts = Facts(model="m", vendor="cohere")
    named = type(request)(messages=request.messages, reasoning=wish)
    assert json.loads(COHERE.adapter.build_request(named, facts))["thinking"] == thinking


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"reasoning_effort": "heroic"}, "reasoning_effort"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "response_format"),
        ({"documents": ["a"], "response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": "Hi", "mood": "x"}]}, "mood"),
        ({"tools": [{**TOOL, "mood": "x"}]}, "mood"),
        ({"n": 3}, "n"),
    ],
)
def test_what_cohere_can_not_do_is_refused_by_name_or_left_out(members: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        built(**members)
    assert refused.value.param == param
    for policy in ("clamp", "drop"):
        body = built(policy, **members)
        assert not body.keys() & {"thinking", "service_tier", "response_format", "n"}
        assert "mood" not in json.dumps(body)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "assistant", "content": None, "audio": {"id": "audio-1"}},
        {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]},
    ],
    ids=["sound", "file", "sound of an answer", "picture of the system"],
)
@pytest.mark.parametrize("policy", ["strict", "drop"])
def test_what_a_message_can_not_hold_is_never_left_out(message: dict[str, Any], policy: str) -> None:
    with pytest.raises(CallerError) as refused:
        built(policy, messages=[message, *HELLO["messages"]])
    assert refused.value.param == "messages"


@pytest.mark.parametrize("policy", ["clamp", "drop"])
def test_a_model_that_can_not_reason_is_not_asked_to(policy: str) -> None:
    assert "thinking" not in built(policy, frozenset({"chat"}), reasoning_effort="high")
    assert built(policy, frozenset({"chat", "reasoning"}), reasoning_effort="high")["thinking"] == {"type": "enabled"}
