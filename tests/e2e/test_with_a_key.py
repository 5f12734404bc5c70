"""The walk of an application: the official SDK with only ``base_url`` changed, in front of a provider that asks for a
key.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.support.command import Command, sluice_up
from tests.support.gateway import provider, route
from tests.support.upstream import Peer, Request, event_stream, json_answer, serve

KEY = "sk-walk-canary"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
WORDS = ["Hello", " there", "!"]
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def completion(model: str) -> dict[str, object]:
    message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": USAGE}


def frames(model: str) -> list[bytes]:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS), {}]
    chunks = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]}
        for delta in deltas
    ]
    return [
        b"data: %b\n\n" % json.dumps(item).encode() for item in [*chunks, head | {"choices": [], "usage": USAGE}]
    ] + [b"data: [DONE]\n\n"]


async def openai_api(peer: Peer, request: Request) -> None:
    """The provider: it wants its key, and knows two models."""
    asked = request.json()
    if request.headers.get("authorization") != f"Bearer {KEY}":
        await peer.send(json_answer({"error": {"message": "Incorrect API key provided"}}, 401))
    elif asked["model"] not in ("gpt-4o-mini", "gpt-4o"):
        await peer.send(
            json_answer(
                {
                    "error": {
                        "message": "bad model",
                        "code": "invalid",
                        "type": "invalid_request_error",
                        "param": "model",
                    }
                },
                400,
            )
        )
    elif asked.get("stream"):
        await peer.send(event_stream(frames(asked["model"])))
    else:
        await peer.send(json_answer(completion(asked["model"])))


@pytest.fixture(params=["variable", "Secret"])
async def sluice(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Command, str]]:
    """A gateway whose provider's key comes from the usual variable, or from a Secret among the files."""
    env = {"OPENAI_API_KEY": KEY} if request.param == "variable" else {}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "openai"},
        "data": {"api-key": base64.b64encode(KEY.encode()).decode()},
    }
    async with serve(openai_api) as upstream:
        spec = {"credentials": {"secretRef": {"name": "openai", "key": "api-key"}}}
        text = provider("openai", upstream.url, **spec).replace('"openai-compatible"', '"openai"') + route(
            "gpt", "openai", models=("gpt-*", "bad")
        )
        if request.param == "Secret":
            text += f"---\n{json.dumps(secret)}\n"
        (tmp_path / "all.yaml").write_text(text)
        async with sluice_up(tmp_path / "all.yaml", state=tmp_path, env=env) as command:
            yield command, await command.serves() + "/v1"


async def test_the_async_sdk(sluice: tuple[Command, str]) -> None:
    command, url = sluice
    async with openai.AsyncOpenAI(base_url=url, api_key="anything", _strict_response_validation=True) as client:
        whole = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        assert (whole.choices[0].message.content, whole.usage and whole.usage.total_tokens) == ("Hello there!", 8)
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello there!"
        assert chunks[-1].usage is not None
        assert [model.id async for model in client.models.list()] == ["bad"]
    await command.until(lambda: command.err.count('"event":"request"') == 2)
    assert KEY not in command.out + command.err


async def test_the_sync_sdk(sluice: tuple[Command, str]) -> None:
    _, url = sluice

    def use() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=url, api_key="anything", _strict_response_validation=True) as client:
            whole = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
            with client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True) as stream:
                return whole.choices[0].message.content, "".join(
                    chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices
                )

    assert await asyncio.to_thread(use) == ("Hello there!", "Hello there!")


async def test_errors_are_the_sdks_own(sluice: tuple[Command, str]) -> None:
    _, url = sluice
    async with openai.AsyncOpenAI(base_url=url, api_key="anything", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="nobody", messages=MESSAGES)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="bad", messages=MESSAGES)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert (refused.value.code, refused.value.param) == ("invalid", "model")


async def test_without_the_key_only_a_warning_appears(tmp_path: Path) -> None:
    text = provider(
        "openai", "http://127.0.0.1:9", credentials={"secretRef": {"name": "openai", "key": "api-key"}}
    ).replace('"openai-compatible"', '"openai"')
    (tmp_path / "all.yaml").write_text(
        text + route("gpt", "openai", models=("gpt-*",)) + provider("mock") + route("chat", "mock")
    )
    async with sluice_up(tmp_path / "all.yaml", state=tmp_path) as command:
        url = await command.serves()
        assert "warning" in command.out
        assert "OPENAI_API_KEY" in command.out
        async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="anything", max_retries=0) as client:
            assert (await client.chat.completions.create(model="chat", messages=MESSAGES)).choices
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
