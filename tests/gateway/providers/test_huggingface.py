"""Hugging Face behind a running gateway: its own troubles move on, or tell the caller how long to wait."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import gateway, loaded, provider, route
from tests.support.upstream import ScriptedUpstream, answer, says, serve

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "providers" / "huggingface"
SECRET = {"secretRef": {"name": "hf", "key": "api-key"}}


def said(rule: str) -> bytes:
    """A recorded refusal, as an answer."""
    case = json.loads((FOLDER / f"error-{rule}.in.json").read_text())
    return answer(case["status"], case["body"].encode(), tuple(case["headers"].items()))


def before(upstream: ScriptedUpstream, *targets: str) -> Any:
    policy = provider("hf", provider="huggingface", baseURL=f"{upstream.url}/v1", credentials=SECRET)
    return loaded(policy + provider("spare") + route("chat", *targets), keys={"hf": "hf-key"})


@pytest.mark.parametrize(
    "rule",
    [
        "model-is-loading",
        "endpoint-paused",
        "endpoint-scaled-to-zero",
        "key-without-permission",
        "key-unknown",
        "model-not-supported",
        "not-a-chat-model",
        "out-of-credits",
        "tgi-generation",
        "tgi-overloaded",
        "router-html",
    ],
)
async def test_its_own_trouble_moves_on(rule: str) -> None:
    refusal = said(rule)
    async with serve(says(refusal)) as upstream, gateway(before(upstream, "hf/m", "spare/m")) as sluice:
        response, _ = await sluice.post()
        assert upstream.requests[0].headers["authorization"] == "Bearer hf-key"
    assert (response.status, response.headers["x-sluice-target"]) == (200, "spare/m")


@pytest.mark.parametrize("rule", ["tgi-validation", "tei-too-long"])
async def test_a_prompt_that_is_too_long_is_the_callers_trouble(rule: str) -> None:
    async with serve(says(said(rule))) as upstream, gateway(before(upstream, "hf/m", "spare/m")) as sluice:
        response, body = await sluice.post()
    assert (response.status, body["error"]["code"]) == (422, "context_length_exceeded")


async def test_where_nobody_else_serves_the_caller_hears_how_long_a_model_loads() -> None:
    async with serve(says(said("model-is-loading"))) as upstream, gateway(before(upstream, "hf/m")) as sluice:
        response, body = await sluice.post()
    assert (response.status, response.headers["retry-after"]) == (502, "21")
    assert "currently loading" in body["error"]["message"]
