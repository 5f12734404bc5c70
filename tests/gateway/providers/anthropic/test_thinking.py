"""Every model, effort, tool choice and sampling together: what is sent keeps the rules of the model's page."""

import itertools
import json
from typing import Any

import pytest

from sluice_gateway.errors import CallerError
from sluice_gateway.normal.parts import Text, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Message, Reasoning, Tool, ToolChoice
from sluice_gateway.providers.adapter import Facts, Policy
from sluice_gateway.providers.anthropic.requests import build

USER = Message(role="user", parts=(Text(text="Hello"),))
TOOLS = (Tool(name="f"),)
BUDGETS = {"claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-4-5", "claude-opus-4-6", "claude-sonnet-4-6"}
ADAPTIVE = {"claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-5-5"} | {
    "claude-fable-5",
    "claude-fable-5-1",
    "claude-haiku-5-5",
    "claude-opus-5-5",
}
CANNOT_STOP = {"claude-fable-5", "claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5"}
NOT_FORCED = {"claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5"}
SAMPLING: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0.2},
    {"temperature": 1, "top_p": 1},
    {"top_p": 0.97},
    {"top_k": 3, "temperature": 0.5},
)
EFFORTS = (None, "none", "minimal", "low", "medium", "high", "xhigh", "max")
CHOICES = (None, Choosing.AUTO, Choosing.NONE, Choosing.REQUIRED)
POLICIES: tuple[Policy, ...] = ("strict", "clamp", "drop")


def thinks(body: dict[str, Any]) -> bool:
    return body.get("thinking", {}).get("type") in ("adaptive", "enabled")


def check_thinking(model: str, body: dict[str, Any]) -> None:
    thinking = body.get("thinking", {"type": ""})
    if thinking["type"] == "enabled":
        assert model in BUDGETS
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
    if thinking["type"] == "adaptive":
        assert model in ADAPTIVE
    if thinking["type"] == "disabled":
        assert model not in CANNOT_STOP
    if thinking["type"] == "between_tools":
        assert model == "claude-sonnet-5-5"
    effort = body.get("output_config", {}).get("effort")
    if effort is not None:
        assert model in ADAPTIVE
        assert effort in ("low", "medium", "high", "xhigh", "max")
        assert effort != "xhigh" or model not in BUDGETS


def check_sampling(model: str, body: dict[str, Any]) -> None:
    if model not in BUDGETS:
        assert not body.keys() & {"temperature", "top_p", "top_k"}
    if thinks(body):
        assert not body.keys() & {"temperature", "top_k"}
        assert body.get("top_p", 1) >= 0.95
    assert not {"temperature", "top_p"} <= body.keys()


def check_tools(model: str, body: dict[str, Any]) -> None:
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    assert not (forced and thinks(body))
    assert not (forced and model in NOT_FORCED)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("model", sorted(BUDGETS | ADAPTIVE))
def test_whatever_is_asked_the_models_rules_are_kept(model: str, policy: Policy) -> None:
    sent = refused = 0
    for effort, mode, sampling, most in itertools.product(EFFORTS, CHOICES, SAMPLING, (None, 900, 3000)):
        request = ChatRequest(
            messages=(USER,),
            tools=TOOLS,
            tool_choice=ToolChoice(mode=mode) if mode else None,
            reasoning=Reasoning(effort=effort) if effort else None,
            max_tokens=most,
            **sampling,
        )
        try:
            body = json.loads(build(request, Facts(model=model, vendor="anthropic", policy=policy)))
        except CallerError:
            refused += 1
            continue
        sent += 1
        for check in (check_thinking, check_sampling, check_tools):
            check(model, body)
    assert sent
    assert bool(refused) == (policy == "strict")


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
@pytest.mark.parametrize("model", sorted(BUDGETS | ADAPTIVE))
def test_an_effort_alone_is_never_refused_and_never_lost(model: str, effort: str) -> None:
    request = ChatRequest(messages=(USER,), reasoning=Reasoning(effort=effort))
    assert thinks(json.loads(build(request, Facts(model=model))))


def test_more_effort_is_never_less_thinking() -> None:
    budgets = []
    for effort in ("minimal", "low", "medium", "high", "xhigh"):
        body = json.loads(
            build(ChatRequest(messages=(USER,), reasoning=Reasoning(effort=effort)), Facts(model="claude-haiku-4-5"))
        )
        budgets.append(body["thinking"]["budget_tokens"])
    assert budgets == sorted(set(budgets))


def test_a_budget_beside_an_effort_keeps_both_where_a_model_takes_both() -> None:
    request = ChatRequest(messages=(USER,), reasoning=Reasoning(effort="low", budget=2000))
    body = json.loads(build(request, Facts(model="claude-opus-4-6")))
    assert (body["thinking"]["budget_tokens"], body["output_config"]["effort"]) == (2000, "low")


def test_an_adaptive_model_thinks_on_without_the_thoughts_of_its_tool_turn() -> None:
    """Those with a budget would refuse: for them, thinking is left out of that one turn."""
    call, result = ToolCall(id="a", name="f"), ToolResult(call_id="a", content=(Text(text="x"),))
    messages = (USER, Message(role="assistant", parts=(call,)), Message(role="tool", parts=(result,)))
    request = ChatRequest(messages=messages, tools=TOOLS, reasoning=Reasoning(effort="low"))
    for model, thinking in (("claude-opus-5", True), ("claude-haiku-4-5", False)):
        assert thinks(json.loads(build(request, Facts(model=model)))) == thinking


def test_a_callers_own_thinking_is_not_touched() -> None:
    own = {"type": "disabled"}
    request = ChatRequest(
        messages=(USER,), tools=TOOLS, tool_choice=ToolChoice(mode=Choosing.REQUIRED), extra={"thinking": own}
    )
    assert json.loads(build(request, Facts(model="claude-sonnet-5")))["thinking"] == own
